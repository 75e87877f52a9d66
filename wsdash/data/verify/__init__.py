"""Equal by content: every row of every table hashed on both servers.

`run` compares; `checksum` is the row hash, and how a table is divided into parts; `diff` goes from a table
that differs down to keys and cells.
"""
