"""The header: who you are, which run, how long, the downtime clock, the engine's liveness, alerts."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from wsdash.model import Notice, Outcome
from wsdash.tui.looks import BAD, BUSY, DIM, DOING, ENGINE, GOOD, SPINNER, WARN, Look, age, clock, size
from wsdash.tui.panes.base import Frame
from wsdash.tui.standing import Engine, engine_standing, freshness, heartbeat_age, watch_trouble
from wsdash.tui.viewstate import ViewState

OUTCOME = {
    Outcome.MIGRATED: Look("✓", "MIGRATED", GOOD),
    Outcome.FAILED: Look("✗", "FAILED", BAD),
    Outcome.ROLLED_BACK: Look("↶", "ROLLED BACK", WARN),
    Outcome.INCOMPLETE: Look("○", "incomplete", DIM),
}
APART = "  "


def draw_header(view: ViewState, frame: Frame) -> list[Content]:
    """Two lines: the run, and its health."""
    return [_run_line(view, frame), _health_line(view, frame)]


def elapsed(view: ViewState, now: float) -> float | None:
    """Seconds the run took so far; it stands still when the run ended or nobody works on it."""
    if view.run.started_at is None:
        return None
    idle = engine_standing(view, now) in (Engine.STOPPED, Engine.GONE, Engine.OBSERVING)
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
    told = f"downtime {clock(sum(stretches))}"
    if len(stretches) > 1:
        told += f" in {len(stretches)} stretches"
    if clocked.ended_at is not None:
        return Content.styled(f"{told} ■ ended", "")
    return Content.styled(f"{told} ▶ writes are down", WARN)


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
        Content(f"run {run.run}" if run.run else "no run yet"),
    ]
    return Content(APART).join([part for part in parts if part.plain]).truncate(frame.width, ellipsis=True)


def _health_line(view: ViewState, frame: Frame) -> Content:
    parts = [_engine(view, frame), _doing(view, frame), _alerts(view, frame)]
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
    standing = engine_standing(view, frame.now)
    look = ENGINE[standing]
    text = f"{look.glyph} {look.word}"
    if standing in (Engine.SLOW, Engine.GONE):
        text += f", last sign of life {age(heartbeat_age(view, frame.now))} ago"
    elif standing is Engine.STOPPED and view.run.stopped:
        text += f" ({view.run.stopped})"
    elif standing is Engine.OBSERVING:
        text += " read-only by ourselves"
    trouble = view.trouble or watch_trouble(view)
    if trouble:
        text += f": {trouble}"
        return Content.styled(text, BAD if view.trouble else WARN)
    return Content.styled(text, look.style)


def _doing(view: ViewState, frame: Frame) -> Content:
    parts: list[Content] = []
    if view.running:
        moving = engine_standing(view, frame.now) in (Engine.LIVE, Engine.SLOW)
        glyph = SPINNER[int(frame.now * 8) % len(SPINNER)] if moving else "‖"
        doing = DOING.get(view.doing.get(view.running, ""), "running")
        parts.append(Content.styled(f"{glyph} {doing} {view.running}", BUSY))
    elif view.run.finished is not None:
        look = OUTCOME[view.run.finished]
        parts.append(Content.styled(f"{look.glyph} {look.word}", look.style))
    waiting = _waiting(view) if engine_standing(view, frame.now) is Engine.LIVE else ""
    if waiting:
        parts.append(Content.styled(waiting, WARN))
    if view.run.paused:
        parts.append(Content.styled("‖ paused", WARN))
    return Content(APART).join(parts)


def _waiting(view: ViewState) -> str:
    """What the engine said last, as long as no item has moved since: mostly that it waits for a person."""
    if view.running or not view.notices:
        return ""
    newest = view.notices[-1]
    moved = max((look.changed_at for look in view.run.items.values()), default=0.0)
    event = newest.event
    return f"… {event.text}" if isinstance(event, Notice) and newest.at >= moved else ""


def _alerts(view: ViewState, frame: Frame) -> Content:
    if not view.alerts:
        return Content.styled("no alerts", DIM)
    newest = max(view.alerts.values(), key=lambda alert: alert.since)
    word = "alert" if len(view.alerts) == 1 else "alerts"
    unheeded = view.alerting.unheeded(frame.now)
    if not unheeded:
        return Content.styled(f"▲ {len(view.alerts)} {word}, acknowledged or silenced", WARN)
    return Content.styled(f"▲ {len(view.alerts)} {word}: {newest.text}", BAD)


class Header(Static):
    """Two lines at the top."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="header")
        self._drawn = Content()

    def show(self, view: ViewState, frame: Frame) -> None:
        """Render a state."""
        width = self.content_size.width or self.app.size.width - 2
        content = Content("\n").join(draw_header(view, Frame(frame.now, width, frame.height, frame.operator)))
        if not content.is_same(self._drawn):
            self._drawn = content
            self.update(content, layout=False)
