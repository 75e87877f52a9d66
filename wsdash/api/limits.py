"""The time limits and paces of the service's API, in seconds, each with its reason; and sizes, in bytes."""

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
BIND_SECONDS = 0.005
"""Between two attempts at a port that somebody still holds."""
RELAY_CONNECT_SECONDS = 3.0
"""To the new service: where it takes longer, its client hears 503."""
FIRST_LINE_SECONDS = 60.0
"""For a client to send the first line of a request."""
FIRST_LINE_BYTES = 8192
"""Bytes in which a first line must end."""
IDLE_SECONDS = 300.0
"""A connection on which nothing comes from either side for so long is closed."""
END_SECONDS = 5.0
"""How long answers that are under way may take when a relay ends."""
FIRST_WORD_SECONDS = 0.5
"""How long a connection that was made just then may take to say something."""
QUIET_SECONDS = 0.1
"""An answer after which nothing comes for so long is over."""
REST_SECONDS = 1.0
"""For the rest of a request that is refused: closing with it unread would reset the answer."""
