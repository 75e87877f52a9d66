"""The heart: reading, copying, comparing, backing up and restoring a schema. No other room speaks SQL for
it.

Floors, each importing only those before it: `pg`, `tables`, `snapshot`, `timescaledb`, `catalog`,
`scratch`, `verify`, `schema`, `mapping`, `copy`, `backup`, `restore`, `rehearsal`.
"""
