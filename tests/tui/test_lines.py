"""Lines that are drawn one by one: only what differs is drawn, and the place being read stays."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App, ComposeResult
from textual.content import Content
from textual.strip import Strip

from wsdash.tui.panes.lines import LinesView


class Counting(LinesView):
    """Notes which lines are drawn."""

    def __init__(self, *, wraps: bool = False) -> None:
        super().__init__(wraps=wraps)
        self.drawn: list[int] = []

    def _drawn(self, index: int) -> Strip:
        self.drawn.append(index)
        return super()._drawn(index)


class Alone(App[None]):
    """One view, and nothing else."""

    def __init__(self, view: LinesView) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        yield self.view


def contents(*texts: str) -> Sequence[Content]:
    return [Content(text) for text in texts]


def text_of(view: LinesView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_only_a_line_that_differs_is_drawn_again() -> None:
    view = Counting()
    async with Alone(view).run_test(size=(20, 4)) as pilot:
        view.show_lines(contents("one", "two", "three"))
        await pilot.pause()
        view.drawn.clear()
        view.show_lines(contents("one", "TWO", "three"))
        await pilot.pause()
        assert view.drawn == [1]
        assert text_of(view) == ["one", "TWO", "three", ""]


async def test_lines_that_went_are_blank() -> None:
    view = LinesView()
    async with Alone(view).run_test(size=(20, 4)) as pilot:
        view.show_lines(contents("one", "two", "three"))
        await pilot.pause()
        view.show_lines(contents("one"))
        await pilot.pause()
        assert text_of(view) == ["one", "", "", ""]


async def test_a_line_too_long_ends_with_an_ellipsis_or_goes_on_where_lines_wrap() -> None:
    for wraps, expected in ((False, ["eight wo…", ""]), (True, ["eight", "words"])):
        view = LinesView(wraps=wraps)
        async with Alone(view).run_test(size=(9, 2)) as pilot:
            view.show_lines(contents("eight words"))
            await pilot.pause()
            assert text_of(view) == expected


async def test_a_line_is_brought_into_sight_no_further_than_needed() -> None:
    view = LinesView()
    async with Alone(view).run_test(size=(20, 4)) as pilot:
        view.show_lines(contents(*map(str, range(20))))
        await pilot.pause()
        view.scroll_to_line(9)
        assert view.scroll_offset.y == 6
        view.scroll_to_line(7)
        assert view.scroll_offset.y == 6
        view.scroll_to_line(2)
        assert view.scroll_offset.y == 2


async def test_an_embedded_line_break_makes_two_lines() -> None:
    view = LinesView()
    async with Alone(view).run_test(size=(20, 3)) as pilot:
        view.show_lines(contents("one\ntwo"))
        await pilot.pause()
        assert text_of(view) == ["one", "two", ""]
