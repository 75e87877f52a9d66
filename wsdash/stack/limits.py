"""The time limits of container engines, compose and processes, in seconds, each with its reason."""

from __future__ import annotations

VERSION_SECONDS = 20.0
"""`docker compose version`, also with cold caches."""
UP_SECONDS = 1800.0
"""`compose up` of one service: it may pull its image."""
PULL_SECONDS = 3600.0
"""An image of some gigabytes over a slow line."""
CONFIG_SECONDS = 60.0
"""`compose config`: it reads files, and may start slowly on a busy machine."""

DOCKER_REQUEST_SECONDS = 15.0
"""One request to the engine that is not a stop or a stream."""
DOCKER_CONNECT_SECONDS = 5.0
"""To a socket on this machine, or through ssh that is already there."""
DOCKER_RECONNECT_SECONDS = 2.0
"""How long follow_logs goes on trying by itself before it says that the engine is gone."""
LOG_READ_SECONDS = 0.5
"""Between two looks at a container's log that has just been read; one that was quiet is read at once."""
GATHER_SECONDS = 0.05
"""Log lines of several containers that come so soon after one another are handed out in the order of time."""
LOOK_AGAIN_SECONDS = 1.0
"""Before a container's log is opened again that ended or could not be read."""
ANSWER_SECONDS = 2.0
"""How long one container may hold up the others (the engine waits for its lock, say)."""
LEARN_SECONDS = 3.0
"""How long a reading waits for what compose says of its files; compose goes on in the background."""
AGAIN_SECONDS = 60.0
"""After so long a failed attempt to read the files is made again."""
HEAD_SECONDS = 10.0
"""For the head of a request to come whole through the read-only proxy."""
SSH_CONNECT_SECONDS = 10
"""For ssh to log in."""
DOCKER_POLL_SECONDS = 0.1
"""Between two looks at a container that starts or stops."""
DOCKER_STOP_MARGIN_SECONDS = 30.0
"""Beyond a container's own time to stop, before the engine is said to hang."""
PORTS_SECONDS = 5.0
"""For a stopped service's ports to become free."""
BUILD_SECONDS = 4 * 3600.0
"""To build Neon from its sources on a small machine."""
STALE_SECONDS = 5.0
"""After which stats say nothing about now."""

ASK_SECONDS = 5.0
"""One status command or health address."""
EXTERNAL_POLL_SECONDS = 0.25
"""Between two runs of a status command."""

LOCAL_REQUEST_SECONDS = 10.0
"""One request to the demo's supervisor."""
SILENCE_SECONDS = 15.0
"""A log stream says something every 5 s; silent for this long it is dead."""
LOCAL_RECONNECT_SECONDS = 10.0
"""How long follow_logs goes on trying before it says that the supervisor is gone."""
LOCAL_POLL_SECONDS = 0.05
"""Between two looks at a process that starts."""
START_SECONDS = 60.0
"""For the supervisor to answer a start: it answers once the process is there."""
LOCAL_STOP_MARGIN_SECONDS = 20.0
"""The same for the supervisor, which kills what does not stop."""

CALL_SECONDS = 15.0
"""One request to the pageserver's API."""
CREATE_SECONDS = 330.0
"""A branch waits up to 300 s on the pageserver for its LSN to be ingested."""
GONE_SECONDS = 60.0
"""For a deleted timeline to be gone: its layers are removed first."""

PORT_POLL_SECONDS = 0.03
"""Between two looks at a port that is to become free."""
