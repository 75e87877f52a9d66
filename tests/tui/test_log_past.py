"""Logs of any age, wrapped, and with what stands around a match."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.support import Stage, stage, started
from wsdash.engine.background.spool import LogSpool
from wsdash.errors import InputError
from wsdash.model import LogLine
from wsdash.tui.panes.logscroll import LogRows, breaks
from wsdash.tui.state.loglines import LogLines, Search, around, as_text, moment, older, pattern

NOON = datetime(2025, 11, 30, 12, 0).timestamp()


def line(text: str, at: float = 1.0) -> LogLine:
    return LogLine("workspace-api", at, "stdout", text)


def many(count: int, first: int = 0) -> list[LogLine]:
    return [line(f"line {number}", float(number)) for number in range(first, first + count)]


async def in_logs(on: Stage, lines: list[LogLine]) -> None:
    on.app.main.add_lines(lines, 0)
    await on.press("5")


async def spooled(state: Path, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of several segments."""
    monkeypatch.setattr("wsdash.engine.background.spool.SEGMENT_BYTES", 20_000)
    spool = LogSpool(state)
    for one in lines:
        spool.write(one)
    await spool.close()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("10:32", NOON - 88 * 60),
        ("10:32:05", NOON - 88 * 60 + 5),
        ("12:01", NOON + 60 - 86400),
        ("-5m", NOON - 300),
        ("-90s", NOON - 90),
        ("- 2h", NOON - 7200),
        ("-3d", NOON - 3 * 86400),
        ("2025-11-29 10:00", NOON - 26 * 3600),
        (" 2025-11-29 ", NOON - 36 * 3600),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, at: float) -> None:
    assert moment(text, NOON) == at


@given(st.text(max_size=12))
def test_what_is_no_time_is_refused_and_nothing_else_happens(text: str) -> None:
    with contextlib.suppress(InputError):
        assert moment(text, NOON) < 1e12


async def test_the_spool_is_read_around_a_moment_and_backwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spooled(tmp_path, many(3000), monkeypatch)
    monkeypatch.setattr("wsdash.tui.state.loglines.MOST_LINES", 500)
    monkeypatch.setattr("wsdash.tui.state.loglines.BEFORE", 100)
    assert len(list((tmp_path / "logs").iterdir())) >= 3
    assert [one.at for one in around(tmp_path, 1500.0)] == [float(n) for n in range(1400, 1900)]
    assert [one.at for one in around(tmp_path, 0.0)] == [float(n) for n in range(500)]
    assert around(tmp_path, 9e9)[-1].at == 2999.0
    assert [one.at for one in older(tmp_path, 700.0)] == [float(n) for n in range(200, 700)]
    assert older(tmp_path, 0.0) == []
    assert around(tmp_path / "none", 5.0) == []


async def test_a_time_older_than_what_is_kept_comes_from_the_spool_and_f_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    past = [line(f"old {n}", now - 9000 + n) for n in range(1000)]
    await spooled(tmp_path, past, monkeypatch)
    monkeypatch.setattr("wsdash.tui.feeds.journal_feed.TAIL_LINES", 1)
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("fresh", now)])
        wanted = datetime.fromtimestamp(now - 9000 + 500).strftime("%Y-%m-%d %H:%M:%S")
        await on.press("T", *wanted, "enter")
        await on.until(lambda: "PAST" in on.text())
        view = on.app.main.logs.log_view
        assert view.lines.shown[view.here].text in ("old 500", "old 501")
        on.app.main.add_lines([line("fresher", now + 1)], 0)
        await on.until(lambda: "+1 new" in on.text())
        assert "fresher" not in on.text()
        await on.press("f")
        assert "fresher" in on.text()
        assert "FOLLOW" in on.text()
        await on.press("O")
        await on.until(lambda: "PAST" in on.text() and "old 99" in on.text())


async def test_a_time_that_is_kept_is_gone_to(tmp_path: Path) -> None:
    now = time.time()
    async with stage(tmp_path, started()) as on:
        lines = [line(f"line {n}", now - 600 + n) for n in range(600)]
        await in_logs(on, [line("late, and first", now), *lines])
        await on.press("T", *"-5m", "enter")
        view = on.app.main.logs.log_view
        assert abs(view.lines.shown[view.here].at - (now - 300)) < 5
        assert not view.in_past


async def test_no_time_is_said_and_changes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(5))
        await on.press("T", *"soon", "enter")
        await on.until(lambda: any("'soon' is no time" in n.message for n in on.app._notifications))
        assert not on.app.main.logs.log_view.in_past


async def test_only_lines_with_a_text_and_those_around_them(tmp_path: Path) -> None:
    lines = [line("boom") if n in (10, 30) else line(f"quiet {n}.") for n in range(40)]
    async with stage(tmp_path, started(), size=(120, 60)) as on:
        await in_logs(on, lines)
        await on.press("I", *"boom", "enter")
        view = on.app.main.logs.log_view
        assert [one.text for one in view.lines.shown] == ["boom", "boom"]
        await on.press("plus")
        assert [one.text for one in view.lines.shown] == [
            *("quiet 9.", "boom", "quiet 11."),
            *("quiet 29.", "boom", "quiet 31."),
        ]
        assert "with boom ±1" in on.text()
        on.app.main.add_lines([line("before"), line("boom again")], 0)
        await on.pilot.pause()
        assert [one.text for one in view.lines.shown][-2:] == ["before", "boom again"]
        await on.press("escape")
        assert len(view.lines.shown) == 42


@given(
    st.lists(st.sampled_from(["hit", "no"]), max_size=40),
    st.integers(0, 3),
    st.lists(st.integers(1, 7), max_size=12),
)
def test_lines_around_matches_are_the_same_however_they_came(
    texts: list[str], context: int, batches: list[int]
) -> None:
    lines = LogLines(include=pattern("hit"), context=context)
    lines.all = type(lines.all)(maxlen=100)
    made = [line(text, float(n)) for n, text in enumerate(texts)]
    rest = list(made)
    for size in batches:
        lines.extend(rest[:size])
        rest = rest[size:]
    lines.extend(rest)
    hits = [n for n, text in enumerate(texts) if text == "hit"]
    wanted = [made[n] for n in range(len(made)) if any(abs(n - hit) <= context for hit in hits)]
    assert list(lines.shown) == wanted
    lines.refilter()
    assert list(lines.shown) == wanted


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Mn", "Cf"]), max_size=200), st.integers(2, 50))
def test_broken_rows_hold_the_whole_line_and_fit(text: str, width: int) -> None:
    begins = breaks(text, width, 5)
    rows = [text[a:b] for a, b in zip(begins, [*begins[1:], None], strict=True)]
    assert "".join(rows) == text
    assert all(cell_len(row) <= width or len(row) == 1 for row in rows)


def test_rows_are_kept_up_as_lines_come_and_go() -> None:
    lines = [line("x" * (n * 9 % 70)) for n in range(50)]
    rows = LogRows(lines[:20], 30, 8)
    assert rows.drop(5) == rows.__class__(lines[:5], 30, 8).__len__()
    rows.extend(lines[20:])
    anew = LogRows(lines[5:], 30, 8)
    assert len(rows) == len(anew)
    assert [rows.line(n) for n in range(len(rows))] == [anew.line(n) for n in range(len(anew))]
    assert [rows.row(n) for n in range(46)] == [anew.row(n) for n in range(46)]


async def test_long_lines_are_broken_and_run_on_again(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    async with stage(tmp_path, started(), size=(80, 24)) as on:
        await in_logs(on, [*many(30), line(words)])
        assert "word59" not in on.text()
        await on.press("L")
        shown = "".join("".join(on.text().split()).split())
        assert "word0" in shown
        assert "word59" in shown
        assert "wrapped" in on.text()
        on.app.main.add_lines([line("after")], 0)
        await on.pilot.pause()
        assert "after" in on.text()
        await on.press("L")
        assert "word59" not in on.text()


async def test_a_selection_in_a_broken_line_is_its_text(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), size=(80, 24)) as on:
        await in_logs(on, [line("0123456789" * 12)])
        await on.press("L")
        view = on.app.main.logs.log_view
        await on.pilot.mouse_down(view, offset=(27, 1))
        await on.pilot.hover(view, offset=(40, 1))
        await on.pilot.mouse_up(view, offset=(40, 1))
        await on.press("ctrl+c")
        assert on.app.clipboard
        assert on.app.clipboard in as_text(view.lines.shown[0], 13)


async def test_a_line_is_copied_by_a_key(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, [line("one"), line("ERROR two"), line("three")])
        await on.press("comma", "Y")
        assert on.app.clipboard.endswith("ERROR two")


async def test_vi_keys_move_half_a_page_and_a_line(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        await in_logs(on, many(200))
        view = on.app.main.logs.log_view
        end = view.scroll_offset.y
        await on.press("ctrl+u")
        await on.until(lambda: view.scroll_offset.y == end - view.size.height // 2)
        await on.press("k", "g")
        await on.until(lambda: view.scroll_offset.y == 0)
        await on.press("G")
        assert view.following


def test_a_search_looks_through_new_lines_only_and_forgets_those_that_went() -> None:
    lines = LogLines()
    lines.all = type(lines.all)(maxlen=50)
    search = Search()
    search.begin("7", lines)
    for first in range(0, 200, 10):
        added, _ = lines.extend(many(10, first))
        search.look(lines, added)
    texts = [lines.shown[number - lines.gone].text for number in search.found]
    assert texts == [f"line {n}" for n in range(150, 200) if "7" in str(n)]
    assert search.place(search.step(search.found[0], -1)) == len(texts)
