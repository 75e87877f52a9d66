"""The containers pane: state, health, CPU, memory, restarts, age and ports, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from wsdash.model import ContainerReading
from wsdash.tui.looks import (
    BAD,
    DIM,
    TITLE,
    WARN,
    age,
    container_health,
    container_state,
    size,
)
from wsdash.tui.panes.base import Frame, Lines, Pane, cell, fresh_title, nothing_yet, row, status
from wsdash.tui.standing import freshness
from wsdash.tui.viewstate import ViewState

GROUPS = ("apps", "workspace")
CPU = 6
MEMORY = 8
PAIR = 19
NETWORK = 19
AGE = 6


def draw_containers(view: ViewState, frame: Frame) -> Lines:
    """A header and one line a container, old world first."""
    if not view.containers:
        return nothing_yet(view, frame.now, "containers")
    live = freshness(view, "containers", frame.now).live
    readings = sorted(
        view.containers.values(),
        key=lambda r: (GROUPS.index(r.group) if r.group in GROUPS else len(GROUPS), r.name),
    )
    name = min(24, max(9, *(len(reading.name) for reading in readings)))
    lines = [_heading(name, frame.width)]
    for reading in readings:
        lines.append(_line(reading, name, frame, live))
        if reading.detail and reading.health == "unhealthy":
            lines.append(cell(f"  └ {reading.detail}", frame.width, BAD if live else DIM))
    return lines


def _wide(width: int, name: int) -> bool:
    return width - name >= 76


def _with_network(width: int, name: int) -> bool:
    return width - name >= 76 + NETWORK + 16


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
        cell(reading.name, name),
        *_status(reading, wide),
        cell("–" if reading.cpu_percent is None else f"{reading.cpu_percent:.1f}%", CPU, right=True),
        _memory(reading, wide),
        *([_network(reading)] if _with_network(frame.width, name) else []),
        cell(str(reading.restarts), 3, WARN if reading.restarts else "", right=True),
        cell(age(frame.now - since if since else None), AGE, right=True),
        Content(" ".join(map(str, reading.ports)) or "–"),
    ]
    line = row(*cells).truncate(frame.width, ellipsis=True)
    return line if live else Content.styled(line.plain, DIM)


class ContainersPane(Pane):
    """Container health."""

    NAME = "2 Containers"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        return draw_containers(view, frame)

    def title(self, view: ViewState, frame: Frame) -> str:
        return fresh_title(self.NAME, freshness(view, "containers", frame.now))
