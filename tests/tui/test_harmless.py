"""The drawing filter: the last gate before the terminal lets text through, and nothing that acts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from wsdash.outside import HARMFUL
from wsdash.tui.terminal import Harmless

BLACK = Color(0, 0, 0)


def drawn(text: str) -> str:
    """What the filter leaves of a segment's text."""
    [segment] = Harmless().apply([Segment(text)], BLACK)
    return segment.text


@pytest.mark.parametrize(
    "text",
    ["\x1b]52;c;aGk=\x07", "\x1b[2J", "\x1bP1$r\x1b\\", "\x9b2J", "\u202eevil", "\u200bx", "a\rb", "\x7f"],
)
def test_what_acts_on_a_terminal_is_taken_out(text: str) -> None:
    assert HARMFUL.search(drawn(text)) is None


@given(st.text())
def test_no_text_keeps_power_and_every_line_keeps_its_width(text: str) -> None:
    shown = drawn(text)
    assert HARMFUL.search(shown) is None
    assert cell_len(shown) == cell_len(text)


@given(st.text(st.characters(whitelist_categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_is_left_as_it_is(text: str) -> None:
    assert drawn(text) == text


def test_styles_stay_and_the_screens_own_controls_pass() -> None:
    own = Control.home().segment
    red = Segment("\x1b[2J", Style(color="red"))
    first, second = Harmless().apply([own, red], BLACK)
    assert first == own
    assert second.style == red.style
