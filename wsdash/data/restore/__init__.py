"""Restoring a backup: into an empty database, over a target, or what a source has lost.

`run` restores into a database, `source` gives a source back its missing tables; `reader` and `play` take
the file apart and run it, in bounded memory.
"""
