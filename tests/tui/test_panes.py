"""What panes say in each of their states: loading, empty, live, stale, failed, done."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from textual.content import Content

from tests.tui.drawing import FRAME, NOW, many, plain, seen, styles
from tests.tui.support import differing, done, halfway, readings, started
from wsdash.model import (
    AlertChanged,
    ContainerReading,
    Downtime,
    ItemChanged,
    ItemState,
    LatencyReading,
    Liveness,
    Notice,
    Outcome,
    PauseChanged,
    RunFinished,
    SetupProgress,
    SourceState,
)
from wsdash.plan import load_plan
from wsdash.tui.drawn.cells import Frame, as_title
from wsdash.tui.drawn.lead import attention
from wsdash.tui.drawn.looks import DIM, GOOD
from wsdash.tui.panes.base import Pane
from wsdash.tui.panes.checklist import detail_lines, item_line
from wsdash.tui.panes.containers import ContainersPane, draw_containers
from wsdash.tui.panes.header import draw_header
from wsdash.tui.panes.latency import LatencyPane, draw_latency
from wsdash.tui.panes.rows import draw_rows
from wsdash.tui.panes.setup import draw_setup
from wsdash.tui.state.viewstate import ViewState

PLAN = load_plan()


def test_stale_latencies_are_never_green_and_say_so() -> None:
    stale = seen(*readings(), beat=60)
    lines = draw_latency(stale, FRAME)
    assert GOOD not in styles(lines)
    assert "stale" in plain(lines)


def test_a_stale_pane_tells_its_age_in_its_title() -> None:
    title = ContainersPane("containers").title(seen(*readings(), beat=60), Frame(NOW + 120, 80))
    assert "stale" in title
    assert "2 min old" in title


def test_an_error_with_brackets_in_a_title_is_taken_literally() -> None:
    told = SourceState("containers", Liveness.RECONNECTING, "[Errno 111] [bold]refused[/nothing]", 1)
    title = ContainersPane("containers").title(seen(started(), told), FRAME)
    assert Content.from_markup(as_title(title)).plain == title


@pytest.mark.parametrize(
    ("pane", "view", "changed"),
    [
        (ContainersPane("containers"), many(), many(ContainerReading("c-41", "paused", "none"))),
        (LatencyPane("latency"), seen(*readings()), seen(*readings(), LatencyReading("api-new", 0.3))),
    ],
    ids=["containers", "latency"],
)
def test_a_body_is_drawn_anew_for_new_readings_and_a_new_second_only(
    pane: Pane, view: ViewState, changed: ViewState
) -> None:
    first = pane.body(view, FRAME)
    logged = msgspec.structs.replace(view, trouble="")
    assert pane.body(logged, replace(FRAME, now=NOW + 0.4)) is first
    assert pane.body(changed, FRAME) is not first
    assert plain(pane.body(changed, replace(FRAME, now=NOW + 1)))
    assert pane.body(view, replace(FRAME, now=NOW + 1)) is not first


def test_empty_panes_say_why() -> None:
    assert "waiting for the engine to start" in plain(draw_containers(seen(beat=None), FRAME))
    assert "being built" in plain(draw_rows(seen(SetupProgress("ports", 0, 3)), FRAME))
    assert "first reading" in plain(draw_latency(seen(started()), FRAME))
    assert "engine was gone" in plain(draw_rows(seen(started(), beat=60), FRAME))


def test_latency_tells_numbers_gaps_and_thresholds() -> None:
    lines = draw_latency(seen(*readings()), FRAME)
    text = plain(lines)
    for word in ("p50", "p99", "max", "300", "over 200", "no answer", "×"):
        assert word in text
    assert "500 ms" in plain(lines)


def test_a_series_that_is_not_there_yet_is_no_alarm() -> None:
    away = SourceState("latency:api-new", Liveness.DOWN, "not started yet")
    lines = draw_latency(seen(away, started()), FRAME)
    assert "– absent" in plain(lines)
    assert styles(lines[1:]) <= {DIM, ""}


def test_the_header_names_role_run_clock_and_alerts() -> None:
    events = [*halfway(), AlertChanged("api", True, "API slower than 500 ms", NOW - 5)]
    text = plain(draw_header(seen(*events), FRAME, PLAN))
    for word in (
        "OPERATOR",
        "run-7",
        "demo offline",
        "elapsed",
        "writes are down",
        "engine live",
        "Migrate data from TimescaleDB",
    ):
        assert word in text
    assert "1 alert: API slower than 500 ms" in text


def test_the_downtime_clock_stands_still_when_writes_are_taken_again() -> None:
    view = seen(started(), Downtime(False, NOW - 100, NOW - 58))
    assert "downtime 0:42 ■ ended" in plain(draw_header(view, Frame(NOW + 500, 120)))


def test_the_downtime_clock_adds_up_its_stretches() -> None:
    view = seen(started(), Downtime(False, NOW - 1000, NOW - 958), Downtime(True, NOW - 18))
    assert "downtime 1:00 in 2 stretches ▶ writes are down" in plain(draw_header(view, Frame(NOW, 160)))


def test_a_monitor_is_called_monitor() -> None:
    assert "MONITOR" in plain(draw_header(seen(started()), Frame(NOW, 120)))


def test_a_gone_engine_is_told_with_its_last_sign_of_life() -> None:
    text = plain(draw_header(seen(*halfway(), beat=30), FRAME))
    assert "engine gone, last sign of life 30 s ago" in text


def test_a_pause_and_an_outcome_are_told() -> None:
    assert "paused" in plain(draw_header(seen(started(), PauseChanged(True)), FRAME))
    assert "MIGRATED" in plain(draw_header(seen(started(), RunFinished(Outcome.MIGRATED)), FRAME, PLAN))
    assert "ROLLED BACK" in plain(draw_header(seen(started(), RunFinished(Outcome.ROLLED_BACK)), FRAME, PLAN))


def test_what_the_engine_waits_for_is_told_until_an_item_moves() -> None:
    notice = Notice("info", "waiting for a person to confirm: notify-team")
    assert "waiting for a person" in plain(draw_header(seen(started(), *done("backup"), notice), FRAME))
    moved = seen(started(), notice, *done("notify-team"))
    assert "waiting for a person" not in plain(draw_header(moved, FRAME))


def test_setup_shows_each_stage_and_how_far_it_is() -> None:
    stages = [
        SetupProgress("ports", 0, 3),
        SetupProgress("ports", 1, 3, "the guide's ports"),
        SetupProgress("items", 1, 3, "4,200 of 10,000"),
    ]
    text = plain(draw_setup(seen(*stages), FRAME))
    for word in ("1 of 3", "✓ ports", "the guide's ports", "items", "4,200 of 10,000", "━"):
        assert word in text


def test_a_failed_stage_shows_the_error() -> None:
    text = plain(draw_setup(seen(SetupProgress("ports", 0, 3, "port 5432 is taken", failed=True)), FRAME))
    assert "✗ ports" in text
    assert "port 5432 is taken" in text


def test_before_the_journal_appears_the_engine_is_starting() -> None:
    assert "starting the engine" in plain(draw_setup(ViewState(), FRAME))


def test_an_engine_that_does_not_come_up_is_told() -> None:
    view = msgspec.structs.replace(ViewState(), trouble="no journal yet; the engine's log ends: no space")
    assert "no space" in plain(draw_setup(view, FRAME))


def test_an_item_line_has_title_state_and_time() -> None:
    view = seen(*done("backup"))
    line = item_line(PLAN.item("backup"), view, FRAME, True).plain
    for word in ("❯", "✓", "Backup current workspace data from TimescaleDB", "done", "1.25 s"):
        assert word in line


def test_a_failed_item_shows_error_and_remedy() -> None:
    text = plain(detail_lines(PLAN.item("verify-data"), seen(*differing()), FRAME))
    for word in ("✗ failed", "1 of 4 tables differs", "→ look at d"):
        assert word in text


def test_a_running_item_shows_its_progress() -> None:
    text = plain(detail_lines(PLAN.item("migrate-data"), seen(*halfway()), FRAME))
    assert "5,000/10,000 rows" in text


def test_a_pending_item_tells_what_it_needs() -> None:
    text = plain(detail_lines(PLAN.item("start-stack"), seen(started()), FRAME))
    assert "needs stop-old" in text


def test_who_confirmed_is_shown() -> None:
    signed = ItemChanged("notify-team", ItemState.DONE, "confirmed by ana", who="ana")
    assert "by ana" in plain(detail_lines(PLAN.item("notify-team"), seen(signed), FRAME))


def test_attention_goes_to_what_runs_then_what_failed_then_what_is_next() -> None:
    assert attention(PLAN, seen(*halfway())).id == "migrate-data"
    assert attention(PLAN, seen(*differing())).id == "verify-data"
    assert attention(PLAN, seen(*done("backup"))).id == "neon-image"
