"""The line that leads: what the run is at, and what this person can do about it now. A pure function."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content

from wsdash.model import ItemKind, ItemState, Mode, Notice, Outcome, Phase, SetupProgress, StepId
from wsdash.plan import Item, Plan
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import BAD, BUSY, DIM, DOING, GOOD, SPINNER, WARN, age, clock, count, plain_title
from wsdash.tui.state.freshness import EngineState, engine_state, heartbeat_age
from wsdash.tui.state.viewstate import ViewState

_SHORT = {
    "backup": "Backup current data",
    "notify-team": "Notify team of maintenance",
    "ports-free": "Verify ports are available",
    "branching": "Test database branching",
}
"""Titles that are too long for a column of the screen."""
UNPROVEN = (ItemState.FAILED, ItemState.INSUFFICIENT)
"""States in which a check answered, and not with yes."""


def attention(plan: Plan, view: ViewState) -> Item:
    """The item to look at first: the one that runs, else one that failed, else the next that can be done."""
    for wanted in ((ItemState.RUNNING,), (ItemState.FAILED,)):
        for item in plan.items:
            if view.run.item(item.id).state in wanted:
                return item
    open_items = [item for item in plan.items if not view.run.item(item.id).satisfied]
    ready = [item for item in open_items if not lacking(item, view)]
    return (ready or open_items or [plan.items[-1]])[0]


def lacking(item: Item, view: ViewState) -> list[str]:
    """Ids of the items that must be done or skipped before this one."""
    return [need for need in item.needs if not view.run.item(need).satisfied]


def lead(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content:
    """The one line, at most frame.width cells. selected: the item under the cursor, on which Enter acts."""
    cases: tuple[Callable[[Plan, ViewState, Frame, Item], Content | None], ...] = (
        _setup_failed,
        _engine_away,
        _building,
        _rehearsing,
        _refused,
        _running,
        _asked,
        _failed,
        _rolled_back,
        _paused,
        _migrated,
        _next,
    )
    for case in cases:
        line = case(plan, view, frame, selected)
        if line is not None:
            return line.truncate(frame.width, ellipsis=True)
    return Content.styled("… waiting for the first news of the run", DIM)


def _line(head: str, style: str, *rest: str | Content) -> Content:
    """A sign with a word, then what it is about, one blank apart."""
    return Content(" ").join([Content.styled(head, style), *(part for part in rest if part)])


def _short(text: str) -> str:
    """The first sentence of evidence: the whole of it is in the details."""
    return plain_title(" ".join(text.split()))


def setup_failed(view: ViewState) -> SetupProgress | None:
    """The stage of the world's building that failed; None when none did."""
    return next((one.progress for one in view.setup.values() if one.progress.failed), None)


def _setup_failed(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    failed = setup_failed(view)
    if failed is None or engine_state(view, frame.now) is EngineState.STARTING:
        return None
    return _line("✗ SETUP FAILED", BAD, f"{failed.stage}:", _short(failed.detail))


def _engine_away(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    engine = engine_state(view, frame.now)
    if engine is EngineState.OBSERVING and view.running:
        return _line(
            "✗ NO ENGINE", BAD, f"{view.running} was interrupted; `wsdash run` takes it up where it was"
        )
    if engine is EngineState.BLOCKED:
        return _line("✗ ENGINE CANNOT WRITE", BAD, f"{view.unwritten}; it goes on by itself, nothing is lost")
    if engine not in (EngineState.GONE, EngineState.STOPPED):
        return None
    again = (
        frame.with_keys("leave with {look.leave}, then `wsdash run` goes on")
        if frame.operator
        else "an operator's `wsdash run` goes on"
    )
    during = f" during {view.running}" if view.running else ""
    if engine is EngineState.GONE:
        since = age(heartbeat_age(view, frame.now))
        return _line("✗ ENGINE GONE", BAD, f"{since} ago: {again}; nothing is lost{during}")
    if view.run.finished is Outcome.MIGRATED and not during:
        unwatched = Content.styled("· the engine stopped, nobody watches", WARN)
        return _line("✓ MIGRATED", GOOD, "the new service serves", unwatched, f"· {again}")
    return _line("■ ENGINE STOPPED", WARN, f"{view.run.stopped}{during}".strip(), f"· {again}")


def _building(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    if engine_state(view, frame.now) is EngineState.STARTING:
        if frame.operator:
            return _line("◌ STARTING", BUSY, "the engine; keys that act wait for it")
        return _line("◌ NO ENGINE", BUSY, "yet; the operator's `wsdash run` starts one")
    if (view.started is not None and not view.building) or not view.setup:
        return None
    over = sum(stage.finished(view.setup_now) for stage in view.setup.values())
    return _line(
        "◌ BUILDING", BUSY, f"the world: {view.setup_now}", Content.styled(f"· {over} stages done", DIM)
    )


def _rehearsing(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    now = view.run.rehearsing
    if now is None:
        return None
    glyph = SPINNER[int(frame.now * 8) % len(SPINNER)]
    keys = _keys(frame, "{look.rehearsal} shows it") if frame.operator else Content()
    return _line(f"{glyph} REHEARSING", BUSY, f"{now.doing}, round {now.round} of {now.rounds}", keys)


def _refused(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    """Online, while the switch refuses writers: the number that everybody waits for."""
    clocked = view.run.downtime
    if view.run.mode != Mode.ONLINE or clocked is None or clocked.ended_at is not None or not clocked.running:
        return None
    seconds = max(0.0, frame.now - clocked.started_at)
    return _line(f" WRITES REFUSED  {seconds:.1f} s ", f"{BAD} bold reverse", "the last changes follow")


def _running(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    running = view.running
    if not running:
        return None
    item = next((one for one in plan.items if one.id == running), None)
    glyph = SPINNER[int(frame.now * 8) % len(SPINNER)]
    word = DOING.get(view.doing.get(running, ""), "running").upper()
    title = f'"{plain_title(item.title)}"' if item is not None else running
    return _line(f"{glyph} {word}", BUSY, title, _how_far(view, running, frame.now))


def _how_far(view: ViewState, item: str, now: float) -> str:
    """Part, rows and time left where they are known, else how long it has run.

    With all rows done, what the item said last counts: it goes on with something else.
    """
    begun = view.run.item(item).changed_at
    parts = [clock(now - begun)] if begun else []
    alone = list(view.transfers.get(item, {}).values())
    transfer = view.overall.get(item) or (alone[0] if len(alone) == 1 else None)
    said = _said(view, item, begun) if transfer is not None and transfer.progress.finished else ""
    if said:
        parts.append(said)
    elif transfer is not None and transfer.fraction is not None:
        rows = transfer.progress.total_rows
        parts.append(f"{transfer.fraction:.0%}" + (f" of {count(rows)} rows" if rows else ""))
        if transfer.seconds_left:
            parts.append(f"about {clock(transfer.seconds_left)} left")
    return "· " + " · ".join(parts) if parts else ""


def _said(view: ViewState, item: str, begun: float | None) -> str:
    """The newest notice of the item since it began, or ''."""
    for recorded in reversed(view.notices):
        if recorded.at < (begun or 0.0):
            break
        if isinstance(recorded.event, Notice) and recorded.event.item == item:
            return recorded.event.text
    return ""


def _asked(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    asked = view.run.jobs_asked
    if asked is None:
        return None
    key = _keys(frame, "{do.auto} answers") if frame.operator else Content("waits for the operator")
    jobs = f"{len(asked.jobs)} background job{'s' if len(asked.jobs) > 1 else ''}"
    return _line("? ASKED", WARN, key, f"· pause {jobs} of the source before {asked.item}?")


def _failed(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    broken = [item for item in plan.items if view.run.item(item.id).state is ItemState.FAILED]
    if not broken:
        return None
    item = broken[0]
    keys = (
        _keys(frame, "{do.retry} tries again · {do.rollback} rolls back · {look.evidence} shows it all")
        if frame.operator
        else Content()
    )
    more = f"(and {len(broken) - 1} more)" if len(broken) > 1 else ""
    why = _short(view.run.item(item.id).evidence) or "it does not hold"
    room = frame.width - len(f"✗ FAILED {item.id}  {more} ") - keys.cell_length - 3
    return _line(f"✗ FAILED {item.id}", BAD, more, Content(why).truncate(max(20, room), ellipsis=True), keys)


def _rolled_back(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    if view.run.finished is not Outcome.ROLLED_BACK:
        return None
    again = _keys(frame, "{do.auto} migrates again") if frame.operator else Content()
    if view.run.went_back is not None:
        back = view.run.went_back
        text = f"the old service takes writes, with {count(back.carried)} changes carried back"
        if back.given_up is not None:
            text = (
                f"the old service takes writes; {count(back.given_up)} changes at the new one were given up"
            )
    else:
        text = "the old service serves; the backup is kept"
    return _line("↶ ROLLED BACK", WARN, text, *(("·", again) if frame.operator else ()))


def _paused(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    if not view.run.paused:
        return None
    upcoming = attention(plan, view)
    key = _keys(frame, "{do.pause} goes on") if frame.operator else Content("by the operator")
    return _line("‖ PAUSED", WARN, key, f"· next: {plain_title(upcoming.title)}")


def _next(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    ahead = [
        item for item in plan.items if item.phase is not Phase.POST and not view.run.item(item.id).satisfied
    ]
    ready = [item for item in ahead if not lacking(item, view)]
    if not ready:
        return None
    unproven = [item for item in ready if view.run.item(item.id).state in UNPROVEN]
    people = [item for item in ready if item.kind is not ItemKind.AUTO]
    autos = [item for item in ready if item.kind is ItemKind.AUTO and item not in unproven]
    if autos:
        return _auto_next(autos[0], frame, view)
    first, then = (people or unproven)[0], (people + unproven)[1:]
    after = Content.styled(f"(then {short_title(then[0])})", DIM) if then else Content()
    if first in unproven:
        keys = _keys(frame, "{do.retry} looks again") if frame.operator else Content()
        return _line("? NOT PROVEN", WARN, short_title(first), _short(view.run.item(first.id).evidence), keys)
    if not frame.operator:
        return _line("▶ NEXT", BUSY, f'the operator confirms "{short_title(first)}"', after)
    key = "{do.run} confirms" if selected is first else "{look.attention} {do.run} confirms"
    return _line("▶ NEXT", BUSY, _keys(frame, key), f'"{short_title(first)}"', after)


def _auto_next(item: Item, frame: Frame, view: ViewState) -> Content:
    if item.id == StepId.SWITCH and view.run.panel is not None and (against := view.run.panel.against):
        keys = _keys(frame, "{look.move} shows it") if frame.operator else Content()
        said = f"{against[0].name}: {against[0].text}"
        more = f"(and {len(against) - 1} more)" if len(against) > 1 else ""
        return _line("✗ NO-GO", WARN, f'for "{short_title(item)}":', said, more, keys)
    if not frame.operator:
        return _line("▶ NEXT", BUSY, f'the operator starts "{short_title(item)}"')
    return _line(
        "▶ NEXT", BUSY, _keys(frame, "{do.auto} runs all that is automatic"), f'from "{short_title(item)}"'
    )


def _migrated(plan: Plan, view: ViewState, frame: Frame, selected: Item) -> Content | None:
    if view.run.finished is not Outcome.MIGRATED:
        return None
    parts = [_line("✓ MIGRATED", GOOD, "the new service serves")]
    days = view.timeline.days if view.timeline is not None else ()
    decided = {decision.day for _, decision in view.run.decisions}
    waiting = [day for day in days if day.at is not None and day.day not in decided]
    due = [day for day in waiting if day.at is not None and day.at <= frame.now]
    if due:
        keys = _keys(frame, "{look.timeline} decides") if frame.operator else Content()
        parts.append(_line("·", "", Content.styled(f"Day {due[0].day} is due", WARN), keys))
    elif waiting and waiting[0].at is not None:
        wait = age(waiting[0].at - frame.now)
        parts.append(_line("·", "", f"Day {waiting[0].day} in {wait}"))
    left = [one for one in plan.items if not view.run.item(one.id).satisfied and not lacking(one, view)]
    autos = [one for one in left if one.kind is not ItemKind.WATCH]
    if autos and frame.operator and not due:
        key = "{do.run}" if selected is autos[0] else "{look.attention} {do.run}"
        parts.append(_line("· next", "", _keys(frame, key), f'"{short_title(autos[0])}"'))
    if frame.operator:
        parts.append(_line("·", "", _keys(frame, "{do.rollback} rolls back")))
    return Content(" ").join(parts)


def short_title(item: Item) -> str:
    """What the item is called where there is little room; the guide's own words are in the details."""
    return _SHORT.get(item.id) or plain_title(item.title).partition(" (")[0]


def _keys(frame: Frame, text: str) -> Content:
    return Content.styled(frame.with_keys(text), "bold $text-accent")
