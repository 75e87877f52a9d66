"""Trying things on the target's own server before the night.

`ddl` runs the DDL in a transaction that is rolled back; `trial_database` lends the target's name to a copy
of it.
"""
