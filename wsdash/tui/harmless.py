"""The last gate before the terminal: no text of any pane is more than text."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from wsdash.outside import HARMFUL


class Harmless(LineFilter):
    """Takes out of what is drawn every character that could act on a terminal or hide or reverse text.

    What the journal and the spool hold is cleaned already; this covers what reaches a pane by another way
    (settings, files, answers). A line keeps its width.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with harmless texts."""
        return [segment if segment.text.isprintable() else _harmless(segment) for segment in segments]


def _harmless(segment: Segment) -> Segment:
    if segment.control:
        return segment  # Textual's own
    text = HARMFUL.sub(lambda found: "\N{REPLACEMENT CHARACTER}" * cell_len(found[0]), segment.text)
    return Segment(text, segment.style)
