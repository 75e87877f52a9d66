"""The log pane: a reader's place is never stolen, filters are not find, and memory is bounded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.geometry import Size

from tests.tui.support import Stage, stage, started
from wsdash.model import LogLine, Notice
from wsdash.tui.state.loglines import MOST_LINES, LogLines, as_text, clean, pattern, readable, severity


def line(text: str, container: str = "workspace-api", stream: str = "stdout", at: float = 1.0) -> LogLine:
    return LogLine(container, at, stream, text)


def many(count: int, first: int = 0) -> list[LogLine]:
    return [line(f"line {number}", at=float(number)) for number in range(first, first + count)]


async def in_logs(on: Stage, lines: list[LogLine]) -> None:
    on.app.main.add_lines(lines, 0)
    await on.press("5")


def test_memory_is_bounded_and_what_went_is_counted() -> None:
    lines = LogLines()
    lines.extend(many(MOST_LINES + 7))
    assert len(lines.all) == len(lines.shown) == MOST_LINES
    assert lines.dropped == 7


def test_pruning_under_a_filter_keeps_what_passes() -> None:
    lines = LogLines(level=2)
    lines.extend([line("ERROR one"), *many(MOST_LINES - 1)])
    assert len(lines.shown) == 1
    lines.extend(many(1))
    assert len(lines.shown) == 0
    lines.refilter()
    assert len(lines.all) == MOST_LINES


def test_severity_by_words() -> None:
    assert severity(line("ERROR:  duplicate key")) == 2
    assert severity(line("WARNING: slow")) == 1
    assert severity(line("GET /api/items 200")) == 0
    assert severity(line("0 terrors", stream="stderr")) == 0


def test_control_codes_reach_no_terminal() -> None:
    assert clean("\x1b[31mred\x1b[0m\x07 a\tb") == "red a   b"
    record = r'{"level": "error", "message": "no column\nHINT:\u2028 none\u202e\u009b2J", "at": "\r\n1"}'
    assert readable(record) == "ERROR no column HINT: none at= 1"


def test_a_broken_regular_expression_is_searched_literally() -> None:
    assert pattern("a(").search("f a( b")
    assert pattern("a.c").search("xABC")


def test_stderr_is_marked_without_colour() -> None:
    assert " err " in as_text(line("boom", stream="stderr"))
    assert " err " not in as_text(line("fine"))


def test_a_json_record_is_read_as_level_message_and_the_rest() -> None:
    record = line('{"time": "2026-11-23T04:15:28Z", "level": "error", "message": "GET /api 500", "ms": 3.4}')
    assert as_text(record).endswith("ERROR GET /api 500 ms=3.4")
    assert severity(record) == 2


def test_a_word_in_a_json_record_is_no_error() -> None:
    assert severity(line('{"level": "info", "message": "GET /items", "error": null}')) == 0


def layouts(on: Stage, monkeypatch: pytest.MonkeyPatch) -> list[Size]:
    """Grows with every layout of the whole screen from now on."""
    real = on.app.main._refresh_layout
    seen: list[Size] = []

    def refresh_layout(size: Size | None = None, scroll: bool = False) -> None:
        seen.append(size or on.app.size)
        real(size, scroll)

    monkeypatch.setattr(on.app.main, "_refresh_layout", refresh_layout)
    return seen


async def test_it_follows_the_newest_line(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(100))
        assert "line 99" in on.text()
        assert "FOLLOW" in on.text()
        on.app.main.add_lines(many(50, first=100), 0)
        await on.pilot.pause()
        assert "line 149" in on.text()


async def test_scrolling_up_holds_still_and_counts_what_is_new(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(100))
        await on.press("pageup")
        before = on.text()
        assert "line 99" not in before
        on.app.main.add_lines(many(30, first=100), 0)
        await on.pilot.pause()
        assert "HELD +30 new" in on.text()
        top = next(text for text in before.splitlines() if re.search(r"\bline \d", text))
        assert top in on.text()
        await on.press("f")
        assert "line 129" in on.text()
        assert "FOLLOW" in on.text()


async def test_lines_that_come_move_the_scrollbar_and_lay_nothing_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(100))
        laid_out, view = layouts(on, monkeypatch), on.app.main.logs.log_view
        for number in range(100, 110):
            on.app.main.add_lines(many(1, first=number), 0)
            await on.pilot.pause()
        assert laid_out == []
        assert view.vertical_scrollbar.window_virtual_size == len(view.lines.shown)
        assert view.scroll_offset.y == view.max_scroll_y
        assert "line 109" in on.text()


async def test_a_line_wider_than_the_pane_brings_a_scrollbar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(100))
        laid_out, view = layouts(on, monkeypatch), on.app.main.logs.log_view
        on.app.main.add_lines([line("x" * 300)], 0)
        await on.until(lambda: view.show_horizontal_scrollbar)
        assert laid_out
        assert view.scroll_offset.y == view.max_scroll_y
        on.app.main.add_lines([line("y" * 400)], 0)
        await on.pilot.pause()
        assert view.horizontal_scrollbar.window_virtual_size == view.virtual_size.width > 400


async def test_pruning_does_not_move_the_reader(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(MOST_LINES))
        await on.press("pageup", "pageup")
        place = next(text for text in on.text().splitlines() if re.search(r"\bline \d", text))
        on.app.main.add_lines(many(25, first=MOST_LINES), 0)
        await on.pilot.pause()
        assert place in on.text()


async def test_find_marks_and_walks_without_hiding(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), size=(120, 60)) as on:
        await in_logs(on, [line("alpha"), line("beta 1"), line("gamma"), line("beta 2"), line("delta")])
        await on.press("slash", *"beta", "enter")
        assert "/beta 2/2" in on.text()
        assert "gamma" in on.text()
        await on.press("n")
        assert "/beta 1/2" in on.text()
        await on.press("N")
        assert "/beta 2/2" in on.text()
        await on.press("escape")
        assert "/beta" not in on.text()


async def test_typing_in_find_reaches_no_other_key(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(5))
        await on.press("slash", *"apRq")
        assert on.intents == []
        assert on.app.screen is on.app.main
        await on.press("escape")


async def test_one_container_only_and_all_again(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("from api"), line("from compute", "workspace-db-compute")])
        await on.press("o")
        assert "only workspace-api" in on.text()
        assert "from compute" not in on.text()
        await on.press("o")
        assert "from api" not in on.text()
        await on.press("o")
        assert "from api" in on.text()
        assert "from compute" in on.text()


async def test_levels_hide_what_is_less(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("GET 200"), line("WARNING slow"), line("ERROR boom")])
        await on.press("l")
        assert "GET 200" not in on.text()
        assert "WARNING slow" in on.text()
        await on.press("l")
        assert "WARNING slow" not in on.text()
        assert "ERROR boom" in on.text()
        assert "errors only" in on.text()


async def test_lost_lines_are_told(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        on.app.main.add_lines(many(3), 12)
        await on.pilot.pause()
        assert "12 lost" in on.text()


async def test_brackets_in_a_search_are_no_markup(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("[812] LOG"), line("bold")])
        on.app.main.logs.log_view.find("[bold]")
        await on.pilot.pause()
        assert "/[bold] 2/2" in on.text()
        on.app.main.logs.log_view.find("[812")
        await on.pilot.pause()
        assert "/[812 1/1" in on.text()


async def test_notices_and_item_ends_stand_between_the_logs(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await on.emit(Notice("warning", "the disk fills"))
        await on.until(lambda: "▲ warning: the disk fills" in on.text())


async def test_lines_can_be_selected_and_copied(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("copy me please")])
        view = on.app.main.logs.log_view
        await on.pilot.mouse_down(view, offset=(0, 0))
        await on.pilot.hover(view, offset=(60, 0))
        await on.pilot.mouse_up(view, offset=(60, 0))
        await on.press("ctrl+c")
        assert "copy me please" in on.app.clipboard
        await on.until(lambda: "Copied" in on.text())


PROBE = '{"level": "info", "message": "GET /api/items 200", "agent": "wsdash-probe"}'


async def test_own_probes_are_hidden_until_they_are_asked_for(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line(PROBE), line("GET /api/items 200 of a user")])
        assert "wsdash-probe" not in on.text()
        assert "1 own probes hidden (i)" in on.text()
        await on.press("i")
        assert "wsdash-probe" in on.text()
        assert "hidden" not in on.text()


def test_a_probe_that_failed_is_never_hidden() -> None:
    lines = LogLines()
    lines.extend([line(PROBE.replace("info", "error"))])
    assert len(lines.shown) == 1
    assert lines.hidden == 0


async def test_errors_are_walked_forwards_and_backwards(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [*many(50), line("TypeError: one"), *many(50), line("ERROR: two"), *many(50)])
        view = on.app.main.logs.log_view
        await on.press("comma")
        assert "ERROR: two" in view.lines.shown[view.here].text
        await on.press("comma")
        assert "TypeError: one" in view.lines.shown[view.here].text
        assert "TypeError: one" in on.text()
        await on.press("full_stop")
        assert "ERROR: two" in view.lines.shown[view.here].text
        assert not view.following


async def test_enter_shows_all_of_a_line_with_json_in_order(tmp_path: Path) -> None:
    record = '{"level":"error","message":"boom","stack":"' + "x" * 300 + ' the end"}'
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [*many(10), line(record), *many(3)])
        await on.press("comma", "enter")
        assert '"message": "boom"' in on.text()
        assert "the end" in on.text()
        await on.press("escape")
        assert on.app.screen is on.app.main


async def test_what_is_shown_is_written_to_a_file(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("of the api"), line("of the base", container="data-timescale")])
        await on.press("o", "W")
        await on.until(lambda: any((tmp_path / "exports").iterdir()))
        (file,) = (tmp_path / "exports").iterdir()
        await on.until(lambda: "of the api" in file.read_text())
        assert "of the base" not in file.read_text()
        await on.until(lambda: any("Written" in str(n.message) for n in on.app._notifications))
