"""One frozen view of a database, shared by any number of sessions.

`hold` exports and keeps it; `chunk_states` proves that no chunk was rewritten while it was read.
"""
