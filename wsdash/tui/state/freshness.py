"""How alive the engine and each source of readings is. Pure; what is not live is never shown green."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wsdash.model import Liveness
from wsdash.tui.limits import LIVE_SECONDS, STALE_SECONDS
from wsdash.tui.state.viewstate import ViewState, machine_seconds

SLOW_SOURCES = {"rows": 150.0, "ports": 90.0}
"""Sources that are read less often, and their ages."""
WATCH = "watch"
"""The source of all sources: when its pollers end, nothing is fresh until something is read again."""


class EngineState(StrEnum):
    """The engine as a screen can know it."""

    STARTING = "starting"
    LIVE = "live"
    SLOW = "slow"
    GONE = "gone"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    OBSERVING = "observing"


@dataclass(frozen=True)
class Freshness:
    """A source of readings: liveness None means that nothing is known of it yet. age in seconds."""

    liveness: Liveness | None
    age: float | None = None
    detail: str = ""
    absent: bool = False
    """It is deliberately not there: nothing to worry about, nothing to read."""

    @property
    def live(self) -> bool:
        """Only then may its readings look well."""
        return self.liveness is Liveness.LIVE


def engine_state(view: ViewState, now: float) -> EngineState:
    """The state of the engine at `now` (epoch seconds)."""
    state = _by_its_signs(view, now)
    # an end that lies before the engine that is awaited is no news
    return (
        EngineState.STARTING if view.awaited and state in (EngineState.STOPPED, EngineState.GONE) else state
    )


def waiting_for(view: ViewState, now: float) -> str:
    """What intents wait for at `now`, or '' where an engine takes them or none is coming."""
    state = engine_state(view, now)
    if state is EngineState.STARTING:
        return "the engine is starting"
    if view.building and state in (EngineState.LIVE, EngineState.SLOW):
        newest = view.setup[view.setup_now].progress
        return f"the world is being built: {newest.stage}, {newest.done} of {newest.total} stages done"
    return ""


def _by_its_signs(view: ViewState, now: float) -> EngineState:
    if view.feed == "observing":
        return EngineState.OBSERVING
    beat = view.heartbeat
    if view.stopped_at and (beat is None or beat.at <= view.stopped_at + 0.5):
        return EngineState.STOPPED
    if beat is None:
        return EngineState.STARTING
    age = heartbeat_age(view, now) or 0.0
    if age <= LIVE_SECONDS:
        return EngineState.LIVE
    if not beat.gone(now):
        return EngineState.SLOW
    return EngineState.BLOCKED if view.unwritten else EngineState.GONE


def heartbeat_age(view: ViewState, now: float) -> float | None:
    """Seconds since the engine's last sign of life, of a view in the run's time."""
    if view.heartbeat is None:
        return None
    return max(0.0, now - view.heartbeat.at)


def watch_trouble(view: ViewState) -> str:
    """Why nothing at all is read at the moment, or ''."""
    reported = view.reported_at.get(WATCH, 0.0)
    if not reported or reported < max(view.seen_at.values(), default=0.0):
        return ""
    state = view.sources[WATCH]
    if state.liveness is Liveness.DOWN:
        return state.detail
    return f"the pollers are restarted (attempt {state.attempt}): {state.detail}"


def freshness(view: ViewState, source: str, now: float) -> Freshness:
    """How fresh the readings of `source` are at `now`."""
    seen = view.seen_at.get(source)
    age = None if seen is None else max(0.0, now - seen)
    state = view.sources.get(source)
    if state is not None and state.liveness is not Liveness.LIVE:
        detail = state.detail
        if state.liveness is Liveness.RECONNECTING and state.attempt:
            detail = f"attempt {state.attempt}" + (f", {detail}" if detail else "")
            if state.next_try_at is not None and state.next_try_at > now:
                detail += f", next try in {state.next_try_at - now:.0f} s"
        absent = state.liveness is Liveness.DOWN and not state.attempt
        return Freshness(state.liveness, age, detail, absent)
    if age is None and state is None:
        return Freshness(None)
    flowing = engine_state(view, now) in (EngineState.LIVE, EngineState.SLOW, EngineState.OBSERVING)
    old = age is not None and machine_seconds(view, age) > SLOW_SOURCES.get(source, STALE_SECONDS)
    if not flowing or old or view.reported_at.get(WATCH, 0.0) > (seen or 0.0):
        return Freshness(Liveness.STALE, age)
    return Freshness(Liveness.LIVE, age)
