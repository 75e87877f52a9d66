"""The terminal is sent the cells that differ from what it shows, and shows what was composed."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from pyte.screens import Char
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from wsdash.tui.painted import Painted

WIDTH = 24
SIZE = Size(WIDTH, 1)
CONSOLE = Console(color_system="truecolor", force_terminal=True)
LOOKS = (
    Style(),
    Style(bold=True),
    Style(color="red"),
    Style(color="#e2e6ea", bgcolor="#10151a"),
    Style(color="#8b9298", bgcolor="#10151a"),
    Style(color="#8b9298", bgcolor="#1c242c", bold=True, reverse=True),
    Style(bgcolor="color(17)", underline=True),
)


def whole(*segments: Segment) -> LayoutUpdate:
    """A first frame of one line."""
    return LayoutUpdate([[Strip(segments).adjust_cell_length(WIDTH)]], Region(0, 0, WIDTH, 1))


def partial(strip: Strip, x: int = 0) -> ChopsUpdate:
    """A later one, of which Textual says that all of it changed."""
    return ChopsUpdate([{x: strip}], [(0, x, x + strip.cell_length)], [[x + strip.cell_length]])


def sent(painted: Painted, update: ChopsUpdate | LayoutUpdate) -> str:
    return painted.difference(update, CONSOLE, SIZE).render_segments(CONSOLE)


def cells_of(written: str) -> list[Char]:
    """What each cell of a new terminal shows, with its looks."""
    screen = pyte.Screen(WIDTH, 1)
    pyte.Stream(screen).feed(written)
    return [screen.buffer[0][column] for column in range(WIDTH)]


def test_what_is_shown_already_is_not_sent_again() -> None:
    painted = Painted()
    sent(painted, whole(Segment("elapsed 0:41")))
    assert sent(painted, whole(Segment("elapsed 0:41"))) == ""


def test_what_lies_beside_the_changed_part_of_a_line_is_left_as_it_is() -> None:
    """There the compositor draws what is under a pane where that pane was not asked for its lines."""
    painted = Painted()
    sent(painted, whole(Segment("list  "), Segment("rows 1")))
    half = Strip([Segment("rows 2")])
    update = ChopsUpdate([{0: Strip.blank(6), 6: half}], [(0, 6, 12)], [[6, 12]])
    pieces = painted.difference(update, CONSOLE, SIZE).pieces
    assert [(x, y, piece.text) for x, y, piece in pieces] == [(11, 0, "2")]


def test_a_second_that_ticks_is_one_cell() -> None:
    painted = Painted()
    sent(painted, whole(Segment("elapsed 0:41")))
    pieces = painted.difference(whole(Segment("elapsed 0:42")), CONSOLE, SIZE).pieces
    assert [(x, y, piece.text) for x, y, piece in pieces] == [(11, 0, "2")]


def test_other_looks_of_the_same_text_are_sent() -> None:
    painted = Painted()
    sent(painted, whole(Segment("live", LOOKS[0])))
    assert "live" in sent(painted, whole(Segment("live", LOOKS[1])))


def test_what_a_click_means_is_no_change_of_looks() -> None:
    painted = Painted()
    sent(painted, whole(Segment("live", Style())))
    assert sent(painted, whole(Segment("live", Style.from_meta({"offset": (0, 3)})))) == ""


def test_looks_are_sent_where_they_change_and_of_them_only_what_changes() -> None:
    painted = Painted()
    light, dim = (Style(color=color, bgcolor="#10151a") for color in ("#e2e6ea", "#8b9298"))
    written = sent(painted, whole(Segment("a", light), Segment("b", light), Segment("c", dim)))
    assert written.count("48;2;16;21;26") == 1
    assert "ab\x1b[38;2;139;146;152mc" in written


def test_what_is_sent_leaves_no_looks_behind() -> None:
    assert sent(Painted(), whole(Segment("x" * WIDTH, LOOKS[5]))).endswith("\x1b[0m")


def test_after_another_program_wrote_all_is_sent() -> None:
    painted = Painted()
    first = sent(painted, whole(Segment("elapsed 0:41")))
    painted.forget()
    assert sent(painted, whole(Segment("elapsed 0:41"))) == first


def test_after_a_resize_all_is_sent() -> None:
    painted = Painted()
    first = sent(painted, whole(Segment("elapsed 0:41")))
    again = painted.difference(whole(Segment("elapsed 0:41")), CONSOLE, Size(WIDTH, 2))
    assert again.render_segments(CONSOLE) == first


texts = st.text(alphabet="ab ▁é中", max_size=WIDTH // 2)
lines = st.lists(st.tuples(texts, st.sampled_from(LOOKS)), min_size=1, max_size=3)


@settings(max_examples=150)
@given(st.lists(st.tuples(lines, st.integers(0, 6)), min_size=1, max_size=5))
def test_the_terminal_shows_what_was_composed(frames: list[tuple[list[tuple[str, Style]], int]]) -> None:
    painted, writes = Painted(), [sent(Painted(), whole(Segment("")))]
    sent(painted, whole(Segment("")))
    model = cells_of(writes[0])
    for parts, x in frames:
        strip = Strip([Segment(text, style) for text, style in parts]).adjust_cell_length(WIDTH - x)
        writes.append(sent(painted, partial(strip, x)))
        model[x:] = cells_of(f"\x1b[1;{x + 1}H{strip.render(CONSOLE)}")[x:]
    first = frames[-1][1]
    assert cells_of("".join(writes))[first:] == model[first:]
