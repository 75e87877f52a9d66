"""An alert is seen at every size: the worst one's words, a badge on its tab, its key in the footer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tui.drawing import NOW, seen
from tests.tui.support import differing, halfway, stage
from wsdash.model import AlertAcknowledged, AlertChanged
from wsdash.tui.keys import Hint, chosen, lay_out, pressing
from wsdash.tui.panes.tabs import badges

SEVEN = ((40, 10), (60, 20), (80, 24), (100, 30), (120, 36), (200, 60), (70, 110))


def down(at: float) -> AlertChanged:
    text = "workspace-api does not answer: connection refused"
    return AlertChanged("target-down", True, text, at, "target-down/api", "up:api", "critical")


def slow(at: float) -> AlertChanged:
    return AlertChanged("api-latency", True, "GET is slow", at, "api-latency/new", "latency:api-new")


@pytest.mark.parametrize("size", SEVEN)
async def test_the_worst_alert_is_the_first_thing_said_of_the_runs_health(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    now = time.time()
    async with stage(tmp_path, *halfway(), down(now - 60), slow(now - 5), size=size) as on:
        lines = on.text().splitlines()
        assert lines[1].lstrip().startswith("▲ 2 alerts: workspace-api does")
        assert "A Alerts" in lines[-1]
        counts = [part for part in on.app.main.header.render_line(1) if "2 alerts" in part.text]
        assert [part.style.reverse for part in counts if part.style] == [True]


async def test_a_tab_has_a_badge_for_what_is_wrong_in_its_pane(tmp_path: Path) -> None:
    now = time.time()
    async with stage(tmp_path, *differing(), down(now), slow(now), size=(80, 24)) as on:
        assert " 1 Checklist ✗1  2 Containers ▲1  3 Rows   4 Latency ▲1  5 Logs" in on.text()


def test_what_somebody_looks_after_has_no_badge() -> None:
    known = AlertAcknowledged("target-down/api", "ana", "on it")
    assert badges(seen(down(NOW - 9), slow(NOW - 9), known), NOW) == {"latency": 1}


def test_the_footer_begins_with_what_the_state_asks_for() -> None:
    failed = seen(*differing(), down(NOW - 1))
    assert pressing(failed, NOW)[:3] == ["look.alerts", "do.retry", "do.rollback"]
    hints = [Hint(id, "x", "x", "Word") for id in ("do.run", "do.retry", "look.alerts", "logs.find")]
    order = [hint.id for hint in chosen(hints, pressing(failed, NOW), ["logs.find"])]
    assert order == ["look.alerts", "do.retry", "logs.find", "do.run"]


@pytest.mark.parametrize("width", [10, 24, 40, 80])
def test_the_footer_never_overlaps_and_keeps_its_ends(width: int) -> None:
    hints = [Hint(f"id.{n}", "x", "x", "Word" * (1 + n % 3)) for n in range(12)]
    ends = [Hint("look.help", "?", "?", "Help"), Hint("look.leave", "q", "q", "Leave")]
    placed = lay_out(hints, ends, width)
    assert [hint.id for _, hint in placed[-2:]] == ["look.help", "look.leave"]
    cells = [set(range(begin, begin + len(hint.shown) + 1 + len(hint.words))) for begin, hint in placed]
    assert sum(map(len, cells)) == len(set().union(*cells))


async def test_a_click_on_a_word_of_the_footer_is_its_key(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        line = on.text().splitlines()[-1]
        await on.pilot.click("#keysline", offset=(line.index("Help"), 0))
        await on.until(lambda: on.app.screen is not on.app.main)
