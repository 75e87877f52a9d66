"""Which container serves which series, and whether it is meant to run at the moment.

A service that serves though the run has stopped it is a stray: what users write there is missing in the
target.
"""

from __future__ import annotations

from wsdash.clock import Clock, SystemClock
from wsdash.config import Settings
from wsdash.model import ContainerReading, MetricsReading
from wsdash.watch.limits import TELL_EVERY
from wsdash.watch.sources import Duties, Emit, unknown

TOO_OLD = 10.0
"""Seconds after which a reading of a container says nothing about now."""
ASKED_LATELY = 30.0
"""Seconds after which an answer, or none, says nothing about now: probes that fail pause in between."""
NO_FAILURE = frozenset({None, 0, 130, 137, 143, -2, -9, -15})
"""Exit codes that say nothing of why a process ended: by itself, SIGINT, SIGKILL, SIGTERM."""

SERIES = ("api-old", "api-new", "pageserver", "safekeeper", "source-db", "target-db")


def not_known_to_fail(reading: ContainerReading) -> bool:
    """It does not run, and nothing points to a crash. Only for a world without a run: where there is one, it
    knows what is meant to run."""
    if reading.state in ("created", "missing"):
        return True
    return reading.state == "exited" and not reading.oom_killed and reading.exit_code in NO_FAILURE


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

    def __init__(self, settings: Settings, clock: Clock | None = None, duties: Duties = unknown) -> None:
        self.duty = duties
        """What a container is meant to do now."""
        self._served: set[str] = set()
        self.container = containers_of_series(settings)
        self._clock = clock or SystemClock()
        self._seen: dict[str, tuple[float, ContainerReading]] = {}
        self._heard: dict[str, tuple[float, bool]] = {}

    def put(self, reading: ContainerReading) -> None:
        """Note a reading taken just now."""
        if reading.state == "running" and reading.health != "starting":
            self._served.add(reading.name)
        elif reading.state == "missing":
            self._served.discard(reading.name)
        self._seen[reading.name] = (self._clock.monotonic(), reading)

    def heard(self, series: str, answered: bool) -> None:
        """Note whether the service of a series gave any answer just now, be it an error."""
        self._heard[series] = (self._clock.monotonic(), answered)

    def answered(self, series: str) -> bool | None:
        """Whether the service of a series answered when it was last asked; None: not asked lately."""
        at, answered = self._heard.get(series, (float("-inf"), False))
        return answered if self._clock.monotonic() - at <= ASKED_LATELY else None

    def reading(self, name: str) -> ContainerReading | None:
        """The newest reading, None when there is none or it is too old."""
        at, reading = self._seen.get(name, (0.0, None))
        return reading if reading is not None and self._clock.monotonic() - at <= TOO_OLD else None

    def absence(self, series: str) -> str:
        """Why the service of a series is rightly not answering; '' when it should, or when nobody knows."""
        name = self.container.get(series, "")
        reading, duty = self.reading(name), self.duty(name)
        if duty.runs is False:
            return f"not started: {duty.why}"
        if reading is None:
            return ""
        if duty.runs is None and not_known_to_fail(reading):
            return f"not started: {reading.name} is {reading.state}"
        if name in self._served and duty.runs:
            return ""  # users are on it: while it starts again they are not served
        if reading.state in ("running", "restarting") and reading.health == "starting":
            return f"not started: {reading.name} is starting"
        return ""

    def asked(self, series: str) -> str:
        """Who is having the service of a series started anew just now, or ''."""
        return self.duty(self.container.get(series, "")).asked_by

    def runs(self, name: str) -> bool:
        """Whether the container was seen running a moment ago: what it writes can be read."""
        reading = self.reading(name)
        return reading is not None and reading.state == "running"

    def ports(self) -> dict[int, str]:
        """Port -> the running container that publishes it."""
        readings = [self.reading(name) for name in self._seen]
        return {
            port: reading.name
            for reading in readings
            if reading is not None and reading.state == "running"
            for port in reading.ports
        }


OLD = "api-old"


class Strays:
    """Tells the series stray:api-old: 1 while the old service serves though it is stopped, else 0.

    It serves when its address answers anything at all (unless a relay of the new stack has that address), or
    its container runs. Nothing is reported where nobody knows what is meant to run, while somebody has it
    stopped or started at this moment, and where both services have one address, of which nobody can tell
    whose answer it was.
    """

    def __init__(self, settings: Settings, board: Board, emit: Emit, clock: Clock | None = None) -> None:
        self._board = board
        self._emit = emit
        self._clock = clock or SystemClock()
        self._relayed = bool(settings.stack.workspace.relay)
        self._distinct_addresses = settings.api.old.rstrip("/") != settings.api.new.rstrip("/")

    async def run(self) -> None:
        """Tell for ever."""
        while self._distinct_addresses:
            await self._clock.sleep(TELL_EVERY)
            found = self.look()
            if found is not None:
                self._emit(MetricsReading("strays", {f"stray:{OLD}": found}))

    def look(self) -> float | None:
        """The value now; None where it is unknown."""
        name = self._board.container.get(OLD, "")
        duty = self._board.duty(name)
        if duty.runs is None or duty.asked_by:
            return None
        if duty.runs:
            return 0.0
        answered = None if self._relayed else self._board.answered(OLD)
        if answered or self._board.runs(name):
            return 1.0
        return None if answered is None and self._board.reading(name) is None else 0.0
