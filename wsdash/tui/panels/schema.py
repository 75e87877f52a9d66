"""The schema's panel: every object of the source, and what becomes of it in the target."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from textual.content import Content

from wsdash.model import SchemaObject
from wsdash.tui.drawn.cells import Frame, Lines, cell, row, status
from wsdash.tui.drawn.looks import DIM, FATE, TITLE, WARN, Look
from wsdash.tui.modal import ViewPanel
from wsdash.tui.state.viewstate import ViewState

FIRST = ("blocks", "not-carried", "adapted")
"""What must be seen before anything is copied."""
BELOW = 16
"""The column of an object's detail when it goes below the object."""


def draw_schema(objects: Sequence[SchemaObject], width: int) -> Lines:
    """A summary, then every object with what becomes of it; what is not carried as it is comes first."""
    schemas = Counter(thing.name.partition(".")[0] for thing in objects if "." in thing.name)
    prefix = f"{schemas.most_common(1)[0][0]}." if schemas else ""
    fates = Counter(thing.fate for thing in objects)
    summary = Content("   ").join(
        Content.styled(f"{_fate(fate).glyph} {number} {_fate(fate).word}", _fate(fate).style)
        for fate, number in sorted(
            fates.items(), key=lambda pair: list(FATE).index(pair[0]) if pair[0] in FATE else 9
        )
    )
    kind = max(6, *(len(thing.kind) for thing in objects))
    name = min(max(8, *(len(thing.name.removeprefix(prefix)) for thing in objects)), max(20, width // 2 - 10))
    lines = [
        summary,
        Content(""),
        row(cell("fate", 13), cell("kind", kind), cell("name", name), "detail").stylize(TITLE),
    ]
    for thing in sorted(objects, key=lambda t: FIRST.index(t.fate) if t.fate in FIRST else len(FIRST)):
        cells = (status(_fate(thing.fate), 13), cell(thing.kind, kind))
        line = row(*cells, cell(thing.name.removeprefix(prefix), name), Content.styled(thing.detail, DIM))
        if line.cell_length <= width or thing.fate not in FIRST:
            lines.append(line.truncate(width, ellipsis=True))
            continue
        lines.append(row(*cells, cell(thing.name.removeprefix(prefix), name)))
        for place, part in enumerate(textwrap.wrap(thing.detail, max(20, width - BELOW))):
            lines.append(Content.styled(f"{'' if place else '└ ':>{BELOW}}{part}", DIM))
    return lines


def _fate(fate: str) -> Look:
    return FATE.get(fate, Look("?", fate, WARN))


class SchemaPanel(ViewPanel):
    """What the source has and what the target will have."""

    NAME = "Schema: source → target"

    def draw(self, view: ViewState, frame: Frame) -> Sequence[Content]:
        """The schema's objects on both sides; not compared yet is said."""
        schema = view.run.schema
        if schema is None or not schema.objects:
            return [
                Content.styled(
                    "The schemas were not compared yet: they are as soon as both can be read.", DIM
                )
            ]
        return draw_schema(schema.objects, frame.width)
