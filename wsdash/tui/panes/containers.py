"""The containers pane: state, health, CPU, memory, restarts, age and ports, one line each.

Where there is no room for all of them, those that are not well come first, and the title counts the states.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textual.content import Content

from wsdash.model import ContainerReading
from wsdash.tui.drawn.cells import Frame, Lines, cell, fresh_title, name_cell, nothing_yet, row, status
from wsdash.tui.drawn.looks import (
    BAD,
    DIM,
    TITLE,
    WARN,
    age,
    calm,
    container_health,
    container_state,
    size,
)
from wsdash.tui.panes.base import Pane
from wsdash.tui.state.freshness import freshness
from wsdash.tui.state.viewstate import ViewState

GROUPS = ("apps", "workspace")
CPU = 6
MEMORY = 8
PAIR = 19
NETWORK = 19
AGE = 6
TWO_PORTS = 9
OTHERS, OTHERS_WIDE = 47, 76
"""Cells of all other columns, with their gaps, where there is little and much room."""
SHORTEST = 24
"""Cells that a name may take in any case."""


def draw_containers(view: ViewState, frame: Frame) -> Lines:
    """A header and one line a container, old world first; with a remark under those that need one."""
    if not view.containers:
        return nothing_yet(view, frame.now, "containers")
    live = freshness(view, "containers", frame.now).live
    readings = sorted(view.containers.values(), key=_place)
    if not _fit(view, frame):
        readings.sort(key=_urgency)
    name = _name_width(max(9, *(len(reading.name) for reading in readings)), frame.width)
    lines = [_heading(name, frame.width)]
    for reading in readings:
        lines.append(_line(reading, name, frame, live))
        if remark := _remark(reading):
            bad = live and _urgency(reading) == 0
            lines.append(cell(f"  └ {remark}", frame.width, BAD if bad else WARN if live else DIM))
    return lines


def counted(view: ViewState, frame: Frame) -> str:
    """How many containers are in which state, where not all of them can be seen; else ''."""
    if _fit(view, frame) or not freshness(view, "containers", frame.now).live:
        return ""
    words = Counter(
        r.health if r.state == "running" and r.health in ("unhealthy", "starting") else r.state or "unknown"
        for r in view.containers.values()
    )
    return ", ".join(f"{number} {word}" for word, number in words.most_common())


def _fit(view: ViewState, frame: Frame) -> bool:
    remarks = sum(1 for reading in view.containers.values() if _remark(reading))
    return 1 + len(view.containers) + remarks <= frame.height


def _place(reading: ContainerReading) -> tuple[int, str]:
    return GROUPS.index(reading.group) if reading.group in GROUPS else len(GROUPS), reading.name


def _urgency(reading: ContainerReading) -> int:
    """0: somebody must look; 1: it does not serve; 2: it is well."""
    state, health = container_state(reading), container_health(reading)
    if BAD in (state.style, health.style):
        return 0
    return 2 if reading.state == "running" and reading.health in ("healthy", "none") else 1


def _remark(reading: ContainerReading) -> str:
    """What its line has no room for: its health check's or the engine's last words, how a run ended."""
    if reading.state == "restarting":
        why = "out of memory" if reading.oom_killed else f"exit code {reading.exit_code}"
        return why if reading.oom_killed or reading.exit_code is not None else ""
    if reading.state == "running":
        before = "out of memory before it was started again" if reading.oom_killed else ""
        return reading.detail if reading.health in ("unhealthy", "unknown") else before
    if reading.state == "created":
        return reading.detail
    if container_state(reading).style != BAD or not reading.detail:
        return ""
    # of one with a health check these may be the words of a check before its end
    return reading.detail if reading.health == "none" else f"last: {reading.detail}"


def _name_width(longest: int, width: int) -> int:
    """As much as the other columns leave, and at least SHORTEST."""
    others = OTHERS_WIDE if width - SHORTEST >= OTHERS_WIDE else OTHERS
    return min(longest, max(SHORTEST, width - others))


def _wide(width: int, name: int) -> bool:
    return width - name >= OTHERS_WIDE


def _with_network(width: int, name: int) -> bool:
    return width - name >= 64 + NETWORK + 1 + TWO_PORTS  # 64: the other columns when wide, and the gaps


def _heading(name: int, width: int) -> Content:
    wide = _wide(width, name)
    cells = [cell("container", name)]
    cells += [cell("state", 12), cell("health", 11)] if wide else [cell("status", 12)]
    cells.append(cell("cpu", CPU, right=True))
    cells.append(cell("memory / limit", PAIR, right=True) if wide else cell("memory", MEMORY, right=True))
    if _with_network(width, name):
        cells.append(cell("net in / out", NETWORK, right=True))
    cells += [cell("rst", 3, right=True), cell("age", AGE, right=True), Content("ports")]
    return row(*cells).stylize(TITLE).truncate(width)


def _memory(reading: ContainerReading, wide: bool) -> Content:
    memory = size(reading.memory_bytes)
    if not wide:
        return cell(memory, MEMORY, right=True)
    if reading.memory_bytes is not None:
        limit = size(reading.memory_limit_bytes) if reading.memory_limit_bytes else "no limit"
        memory = f"{memory} / {limit}"
    return cell(memory, PAIR, right=True)


def _network(reading: ContainerReading) -> Content:
    if reading.received_bytes is None or reading.sent_bytes is None:
        return cell("–", NETWORK, right=True)
    return cell(f"{size(reading.received_bytes)} / {size(reading.sent_bytes)}", NETWORK, right=True)


def _status(reading: ContainerReading, wide: bool) -> list[Content]:
    state, health = container_state(reading), container_health(reading)
    if wide:
        return [status(state, 12), status(health, 11)]
    telling = reading.state == "running" and reading.health != "none"
    return [status(health if telling else state, 12)]


def _line(reading: ContainerReading, name: int, frame: Frame, live: bool) -> Content:
    wide = _wide(frame.width, name)
    since = reading.started_at if reading.state == "running" else None
    cells = [
        name_cell(reading.name, name),
        *_status(reading, wide),
        cell("–" if reading.cpu_percent is None else f"{reading.cpu_percent:.1f}%", CPU, right=True),
        _memory(reading, wide),
        *([_network(reading)] if _with_network(frame.width, name) else []),
        cell(str(reading.restarts), 3, WARN if reading.restarts else "", right=True),
        cell(age(calm(frame.now - since) if since else None), AGE, right=True),
        Content(" ".join(map(str, reading.ports)) or "–"),
    ]
    line = row(*cells).truncate(frame.width, ellipsis=True)
    return line if live else Content.styled(line.plain, DIM)


class ContainersPane(Pane):
    """Container health."""

    NAME = "2 Containers"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """A row a container; while there is none, why."""
        return draw_containers(view, frame)

    def seen(self, view: ViewState, frame: Frame) -> object:
        """The containers and whether they are live."""
        return (view.containers, freshness(view, "containers", frame.now).live) if view.containers else None

    def title(self, view: ViewState, frame: Frame) -> str:
        """How many are in which state, and how fresh that is."""
        counts = counted(view, frame)
        name = f"{self.NAME} · {counts}" if counts else self.NAME
        return fresh_title(name, freshness(view, "containers", frame.now))
