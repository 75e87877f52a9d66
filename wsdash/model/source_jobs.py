"""Whether the source's background jobs are paused while it is read: the question, and a person's answer."""

from __future__ import annotations

from wsdash.model.base import Event

PAUSE_JOBS = "pause-jobs"
"""The intent that answers."""


class JobsAsked(Event, frozen=True, tag="jobs-asked"):
    """An item that reads the source waits for a person: may these jobs be paused until it was compared?

    jobs: each in words, with its next start; () takes the question back: none is active any more.
    """

    item: str
    jobs: tuple[str, ...] = ()


class JobsAnswered(Event, frozen=True, tag="jobs-answered"):
    """Somebody said whether the source's background jobs are paused in this migration."""

    pause: bool
    who: str
    note: str = ""
