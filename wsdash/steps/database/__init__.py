"""Items that work on the two databases: a backup, the target's schema, the rows, and the proof that they are
equal. `scope` says what is migrated.
"""
