"""What a container is meant to do, as whoever knows the run says; never read off how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Duty:
    """runs: it is meant to run; None where nobody knows. why: where it is not, the reason for people.

    asked_by: who is having it stopped or started anew at this moment, or had it a moment ago; '' for nobody.
    blameless_until: errors that it wrote up to then (epoch seconds) follow from the state of the run, and
    speak against nobody.
    """

    runs: bool | None = None
    why: str = ""
    asked_by: str = ""
    blameless_until: float = 0.0


Duties = Callable[[str], Duty]
"""Container -> its duty now."""


def unknown(name: str) -> Duty:
    """Where there is no run: nothing is claimed of any container."""
    return Duty()
