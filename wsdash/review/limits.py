"""The time limits of diagnostics, in seconds, each with its reason."""

from __future__ import annotations

CHECK_SECONDS = 30.0
"""One check of the connection test: a container may start slowly."""
SQL_SECONDS = 10.0
"""One question to a server that answers."""
LOG_READ_SECONDS = 5.0
"""How long logs are read at most."""
LOG_QUIET_SECONDS = 1.2
"""No line for so long: what was written so far has been read (a container's log is read twice a second)."""
