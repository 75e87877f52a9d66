"""The time limits and paces of the steps, in seconds, each with its reason."""

from __future__ import annotations

START_SECONDS = 60.0
"""To remove what an earlier test left, when an engine starts."""
SEARCH_SECONDS = 120.0
"""To search every row of a table for the marker of the tests."""
SLACK_SECONDS = 120.0
"""How far the server's clock may be behind ours."""
API_READY_SECONDS = 30.0
"""How long the new API may take to become ready, and its container to become healthy."""

CALL_SECONDS = 30.0
"""One command inside a container."""
OPEN_SECONDS = 90.0
"""For a second compute to answer."""

COMPARE_PAUSE_SECONDS = 2.0
"""Before tables that differed while both sides were written to are compared again."""

REPORT_SECONDS = 120.0
"""For the report to be written by a process of its own."""

PAUSE_AFTER_ERROR = 0.05
"""Seconds: a service that refuses at once is not to be flooded."""

POST_TIMEOUT = 15.0
"""For a webhook to take the message."""
COMMAND_TIMEOUT = 30.0
"""For a command to tell the team."""

CONTAINER_READY_SECONDS = 60.0
"""For the new API to become ready, or its container's own health check to turn."""
READY_POLL_SECONDS = 0.5
"""Between two looks at the health of a container."""

RIGHTS_SECONDS = 10.0
"""To read the rights on one server."""

ASK_SECONDS = 30.0
"""For one look at what serves."""
COMPARE_SECONDS = 1800.0
"""How long reading every row of the source may take."""

CATCH_UP_SECONDS = 4 * 3600.0
"""Catching up for so long is a failure: changes come faster than they are applied."""
CATCH_UP_TROUBLE_SECONDS = 120.0
"""How long a server may be away meanwhile."""
CATCH_UP_POLL_SECONDS = 0.2
"""Between two looks at how far catching up is."""
