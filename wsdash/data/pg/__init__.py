"""Sessions on a PostgreSQL server: opened, set, quoted for, their errors described.

The lowest floor of `data`.

`connect` opens sessions with fixed settings; `transactions` is the only way to begin a transaction; `errors`
translates what servers and the driver raise; `sql` builds SQL from names and splits files of it; `transfer`
moves one stream of rows.
"""
