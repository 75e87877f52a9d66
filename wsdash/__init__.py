"""Move the Workspace service from a shared TimescaleDB to its own Neon stack, and prove each step."""

__version__ = "0.1.0"
