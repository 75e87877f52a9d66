"""A mapping: how the rows of a source schema fit a target that has a schema of its own.

`file` reads it, `plan` lays it over both catalogs, `types` asks the source for the type of every
expression, `check` asks the rows, `keys` gives new keys, `seed_rows` knows the rows that a schema file
inserts itself.
"""
