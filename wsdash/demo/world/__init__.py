"""The embedded world, built: two real PostgreSQL servers, rows, services, ports and configuration. `build`
is the way in.
"""
