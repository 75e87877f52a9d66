"""Which container serves which series, and whether it is meant to run at the moment."""

from __future__ import annotations

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.model import ContainerReading

TOO_OLD = 10.0
"""Seconds after which a reading of a container says nothing about now."""
STOPPED_ON_PURPOSE = frozenset({None, 0, 130, 137, 143, -2, -9, -15})
"""Exit codes of a process that was asked to end: by itself, SIGINT, SIGKILL after its grace, SIGTERM."""

SERIES = ("api-old", "api-new", "pageserver", "safekeeper", "source-db", "target-db")


def stopped_on_purpose(reading: ContainerReading) -> bool:
    """It does not run, and nothing points to a crash."""
    if reading.state in ("created", "missing"):
        return True
    return reading.state == "exited" and not reading.oom_killed and reading.exit_code in STOPPED_ON_PURPOSE


def containers_of_series(settings: Settings) -> dict[str, str]:
    """Series -> the container of the settings that serves it; a series without one is left out."""
    apps, workspace = settings.stack.apps, settings.stack.workspace

    def called(word: str) -> str:
        return next((name for name in workspace.containers if word in name), "")

    known = {*apps.containers, *workspace.containers}
    found = {
        "api-old": apps.old_service,
        "api-new": called("api"),
        "pageserver": called("pageserver"),
        "safekeeper": called("safekeeper"),
        "source-db": settings.source.label if settings.source.label in known else "",
        "target-db": settings.target.label if settings.target.label in known else called("compute"),
    }
    return {series: name for series, name in found.items() if name}


class Board:
    """The newest reading of every container."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.container = containers_of_series(settings)
        self._clock = clock or SystemClock()
        self._seen: dict[str, tuple[float, ContainerReading]] = {}

    def put(self, reading: ContainerReading) -> None:
        """Note a reading taken just now."""
        self._seen[reading.name] = (self._clock.monotonic(), reading)

    def reading(self, name: str) -> ContainerReading | None:
        """The newest reading, None when there is none or it is too old."""
        at, reading = self._seen.get(name, (0.0, None))
        return reading if reading is not None and self._clock.monotonic() - at <= TOO_OLD else None

    def absence(self, series: str) -> str:
        """Why the service of a series is rightly not answering; '' when it should, or when nobody knows."""
        reading = self.reading(self.container.get(series, ""))
        if reading is None:
            return ""
        if stopped_on_purpose(reading):
            return f"not started: {reading.name} is {reading.state}"
        if reading.state in ("running", "restarting") and reading.health == "starting":
            return f"not started: {reading.name} is starting"
        return ""

    def ports(self) -> dict[int, str]:
        """Port -> the running container that publishes it."""
        readings = [self.reading(name) for name in self._seen]
        return {
            port: reading.name
            for reading in readings
            if reading is not None and reading.state == "running"
            for port in reading.ports
        }
