"""Restoring a backup: into an empty database, over a target, or what a source has lost.

`run` restores into a database, or proves a backup so; `source` gives a source back its missing tables; `play`
takes the file apart and runs it, in bounded memory.
"""
