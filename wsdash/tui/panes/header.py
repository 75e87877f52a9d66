"""The header: who you are, which run, the downtime clock; alerts, the engine; and the line that leads."""

from __future__ import annotations

from dataclasses import replace

from textual.content import Content

from wsdash.model import Mode, Notice
from wsdash.plan import Item, Plan
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.lead import lead, setup_failed
from wsdash.tui.drawn.looks import BAD, DIM, ENGINE, WARN, age, clock, size, took
from wsdash.tui.limits import STALE_LAG_SECONDS
from wsdash.tui.panes.lines import LinesView
from wsdash.tui.state.freshness import EngineState, engine_state, freshness, heartbeat_age, watch_trouble
from wsdash.tui.state.viewstate import ViewState

SEVERITY = {"critical": 3, "warning": 2, "info": 1}
APART = "  "
LEAST_ALERT = 36
"""Cells that the worst alert gets, whatever else there is to say."""


def draw_header(
    view: ViewState, frame: Frame, plan: Plan | None = None, selected: Item | None = None
) -> list[Content]:
    """Three lines: the run; its health with what is wrong first; and what leads (see tui/drawn/lead.py).

    selected: the item under the cursor. Without a plan the third line is left out.
    """
    lines = [_run_line(view, frame), _health_line(view, frame)]
    if plan is not None:
        lines.append(lead(plan, view, frame, selected or plan.items[0]))
    return lines


def elapsed(view: ViewState, now: float) -> float | None:
    """Seconds the run took so far; it stops when the run ended or nobody works on it."""
    if view.run.started_at is None:
        return None
    idle = engine_state(view, now) in (EngineState.STOPPED, EngineState.GONE, EngineState.OBSERVING)
    end = view.run.finished_at or (view.last_at if idle else now)
    return max(0.0, end - view.run.started_at)


def downtime(view: ViewState, now: float) -> Content:
    """The write downtime clock."""
    clocked = view.run.downtime
    if clocked is None:
        return Content.styled("downtime –", DIM)
    if not clocked.running and clocked.ended_at is None:
        return Content.styled("downtime ended", "")
    stretches = view.run.downtime_stretches(now)
    online = view.run.mode == Mode.ONLINE
    text = f"downtime {took(sum(stretches)) if online else clock(sum(stretches))}"
    if len(stretches) > 1:
        text += f" in {len(stretches)} stretches"
    if clocked.ended_at is not None:
        return Content.styled(f"{text} ■ ended", "")
    return Content.styled(f"{text} ▶ writes are down", WARN)


def carrying(view: ViewState, now: float) -> Content:
    """Online: how far the other side is behind, and what capture costs a write; stale words say so."""
    followed, at = view.run.followed, view.run.followed_at
    if view.run.mode != Mode.ONLINE or followed is None or at is None:
        return Content()
    if followed.trouble and view.run.switched is not None and view.run.switched.opened == "target":
        return Content.styled("way back ? one side is away", BAD)
    if followed.trouble:
        return Content.styled("lag ? nothing is applied", BAD)
    if followed.kept is not None or followed.open == "target":
        way = "back" if followed.open == "target" else "forward"
        return Content(f"way {way} {size(followed.log_bytes)}")
    if followed.lag is None or followed.open != "source":
        return Content.styled("lag –", DIM)
    if now - at > STALE_LAG_SECONDS:
        return Content.styled(f"lag {followed.lag:.1f} s, {age(now - at)} ago", WARN)
    cost = "" if followed.overhead is None else f" capture +{followed.overhead * 1000:.2f} ms"
    return Content.styled(f"lag {followed.lag:.1f} s{cost}", "" if followed.keeps_up else WARN)


def _run_line(view: ViewState, frame: Frame) -> Content:
    role = ("OPERATOR", "bold reverse $text-primary")
    if not frame.operator:
        role = ("MONITOR", "bold reverse $text-secondary")
    run = view.run
    parts = [
        Content.assemble(("wsdash", "bold"), " ", (f" {role[0]} ", role[1])),
        Content(" ".join(part for part in (run.world, run.mode) if part)),
        Content(f"elapsed {clock(elapsed(view, frame.now))}"),
        downtime(view, frame.now),
        carrying(view, frame.now),
        Content(f"run {run.run}" if run.run else "no run yet"),
    ]
    return Content(APART).join([part for part in parts if part.plain]).truncate(frame.width, ellipsis=True)


def _health_line(view: ViewState, frame: Frame) -> Content:
    parts = [_engine(view, frame), _paused(view)]
    beside = sum(part.cell_length + len(APART) for part in parts if part.plain)
    alerts = _alerts(view, frame, max(LEAST_ALERT, frame.width - beside - 2))
    parts = [alerts, *parts] if view.alerts else [*parts, alerts]
    parts.append(_said(view, frame.now))
    host = view.host
    if host is not None:
        usage = f"wsdash cpu {host.self_cpu_percent:.0f}% mem {size(host.self_memory_bytes)}"
        usage += f" lag {host.loop_lag_seconds * 1000:.0f} ms"
        live = freshness(view, "host", frame.now).live
        disk = Content.styled(
            f"disk {host.disk_percent:.0f}%", WARN if live and host.disk_percent > 80 else DIM
        )
        parts += [disk, Content.styled(usage, DIM)]
    return Content(APART).join([part for part in parts if part.plain]).truncate(frame.width, ellipsis=True)


def _engine(view: ViewState, frame: Frame) -> Content:
    state = engine_state(view, frame.now)
    look = ENGINE[state]
    text = f"{look.glyph} {look.word}"
    if state is EngineState.STARTING and not frame.operator:
        text = f"{look.glyph} no engine yet"
    elif state in (EngineState.SLOW, EngineState.GONE, EngineState.BLOCKED):
        text += f", last sign of life {age(heartbeat_age(view, frame.now))} ago"
    elif state is EngineState.STOPPED and view.run.stopped and not setup_failed(view):
        text += f" ({view.run.stopped})"
    elif state is EngineState.OBSERVING:
        text += " read-only by ourselves"
    trouble = view.trouble or watch_trouble(view)
    if trouble:
        text += f": {trouble}"
        return Content.styled(text, BAD if view.trouble else WARN)
    return Content.styled(text, look.style)


def _paused(view: ViewState) -> Content:
    return Content.styled("‖ paused", WARN) if view.run.paused else Content()


def _said(view: ViewState, now: float) -> Content:
    """What the engine said last, as long as no item has moved since: mostly why it waits."""
    if view.running or not view.notices or engine_state(view, now) is not EngineState.LIVE:
        return Content()
    newest = view.notices[-1]
    moved = max((look.changed_at for look in view.run.items.values()), default=0.0)
    event = newest.event
    text = isinstance(event, Notice) and newest.at >= moved
    return Content.styled(f"… {event.text}", DIM) if text and isinstance(event, Notice) else Content()


def _alerts(view: ViewState, frame: Frame, room: int) -> Content:
    """The count, and the words of the worst that nobody looks after yet, in at most `room` cells."""
    if not view.alerts:
        return Content.styled("no alerts", DIM)
    word = "alert" if len(view.alerts) == 1 else "alerts"
    unheeded = view.alerting.unheeded(frame.now)
    if not unheeded:
        return Content.styled(f"▲ {len(view.alerts)} {word}, acknowledged or silenced", WARN)
    worst = max(unheeded, key=lambda span: (SEVERITY.get(span.severity, 0), span.begun))
    text = Content.assemble((f"▲ {len(view.alerts)} {word}:", f"{BAD} reverse"), (f" {worst.text}", BAD))
    return text.truncate(room, ellipsis=True)


class Header(LinesView):
    """Three lines at the top."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(id="header")
        self._plan = plan

    def show(self, view: ViewState, frame: Frame, selected: Item) -> None:
        """Render a state. selected: the item under the cursor."""
        self.show_lines(draw_header(view, self._fitting(frame), self._plan, selected))

    def select(self, view: ViewState, frame: Frame, selected: Item) -> None:
        """The cursor moved: the leading line is about the item that is under it now."""
        if self._given:
            self.show_lines([*self._given[:2], lead(self._plan, view, self._fitting(frame), selected)])

    def _fitting(self, frame: Frame) -> Frame:
        width = self.content_size.width or self.app.size.width - 2
        return replace(frame, width=width)
