"""View states of readings as they were just now, and what is read of drawn lines."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from textual.content import Content

from tests.tui.support import recorded
from wsdash.engine.journal.store import Heartbeat
from wsdash.model import AnyEvent, ContainerReading, Liveness, SourceState
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.state.viewstate import ViewState, fold_all

NOW = 10_000.0
FRAME = Frame(NOW, 120, 20, operator=True)


def seen(*events: AnyEvent, beat: float | None = 0.1) -> ViewState:
    view = msgspec.structs.replace(fold_all(recorded(*events, at=NOW)), feed="journal")
    if beat is None:
        return view
    return msgspec.structs.replace(view, heartbeat=Heartbeat(1, "host", NOW - beat, "", 0.0))


def plain(lines: Sequence[Content]) -> str:
    return "\n".join(line.plain for line in lines)


def styles(lines: Sequence[Content]) -> set[str]:
    return {str(span.style) for line in lines for span in line.spans}


def many(*others: ContainerReading, number: int = 50) -> ViewState:
    """That many containers, of which these are given and the rest run, and the source live."""
    well = (ContainerReading(f"c-{n:02}", "running", "none") for n in range(number))
    rest = [reading for reading in well if reading.name not in {other.name for other in others}]
    return seen(*rest, *others, SourceState("containers", Liveness.LIVE))
