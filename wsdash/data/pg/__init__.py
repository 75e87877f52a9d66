"""Sessions on a PostgreSQL server: opened, set, quoted for, their errors described.

The lowest floor of `data`.

`connect` opens sessions with fixed `settings`; `transactions` is the only way to begin one; `errors`
translates what servers and the driver raise; `quoting` builds SQL from names; `transfer` moves one stream
of rows.
"""
