"""The journal: what was intended, what happened, what was read. One writer, any number of readers.

`writer` records, `reader` reads beside a living writer, `store` is the file; `redact` keeps every secret
out.
"""
