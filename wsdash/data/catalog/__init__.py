"""Everything that a schema holds, read from pg_catalog, in the order in which it can be made again.

`read` is the way in. `items` is what it returns; `tables`, `parts`, `rights` and `kinds` draft the DDL;
`census` finds whatever no reader explained.
"""
