"""Equal by content: every row of every table hashed on both servers.

`run` compares; `checksum` is the row hash; `parts` and `diff` go from a table that differs down to keys and
cells.
"""
