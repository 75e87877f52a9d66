"""The time limits and paces of the commands, in seconds, each with its reason."""

from __future__ import annotations

CONTAINER_SECONDS = 300.0
"""For the engine to start or stop one container: a database may need minutes for its recovery."""
JOURNAL_POLL_SECONDS = 0.1
"""Between two looks at the journal while an engine does what was asked."""
TRIAL_SECONDS = 1800.0
"""For the engine to try the checklist, a load test included."""
FOLLOW_POLL_SECONDS = 0.2
"""Between two looks at the journal that is followed line by line."""
ALIVE_POLL_SECONDS = 1.0
"""Seconds between two looks at whether an engine lives."""
