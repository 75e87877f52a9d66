"""The time limits and paces of the service's API, in seconds, each with its reason; and sizes, in bytes.

The relay has its own in its file, which runs alone in an image without wsdash.
"""

from __future__ import annotations

LONGEST_WAIT_SECONDS = 3600.0
"""A longer Retry-After is taken as this."""
UNKNOWN_PAUSE_SECONDS = 5.0
"""After a 429 that does not say how long to wait."""
TURN_POLL_SECONDS = 0.25
"""Between two looks at whether a request has its turn: another client may have learnt more of the limit."""
CALL_SECONDS = 10.0
"""One request: the list of all items takes a second or two on a slow machine."""
PING_SECONDS = 3.0
"""One health page: what takes longer is not ready."""
LARGE_BYTES = 1 << 20
"""A body from this size on is parsed in a thread: the workspace API lists every item in one answer."""
WHO_SECONDS = 5.0
"""For a relay on this machine to answer who came."""
