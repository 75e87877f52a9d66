"""What each pane says in each of its states: loading, empty, live, stale, failed, done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from textual.content import Content

from tests.tui.support import ITEMS, differing, done, halfway, readings, recorded, started
from wsdash.engine.journal_store import Heartbeat
from wsdash.model import (
    AlertChanged,
    AnyEvent,
    ContainerReading,
    Downtime,
    ItemChanged,
    ItemState,
    LatencyReading,
    Liveness,
    Notice,
    Outcome,
    PauseChanged,
    Progress,
    RowsReading,
    RunFinished,
    SchemaObject,
    SetupProgress,
    SourceState,
    TableVerified,
)
from wsdash.plan import load_plan
from wsdash.tui.looks import DIM, GOOD
from wsdash.tui.panes.base import Frame, Pane, as_title
from wsdash.tui.panes.checklist import attention, detail_lines, item_line
from wsdash.tui.panes.containers import ContainersPane, draw_containers
from wsdash.tui.panes.header import draw_header
from wsdash.tui.panes.latency import LatencyPane, draw_latency
from wsdash.tui.panes.rows import draw_rows
from wsdash.tui.panes.setup import draw_setup
from wsdash.tui.screens.views import draw_schema
from wsdash.tui.viewstate import ViewState, fold_all

NOW = 10_000.0
FRAME = Frame(NOW, 120, 20, operator=True)
PLAN = load_plan()


def seen(*events: AnyEvent, beat: float | None = 0.1) -> ViewState:
    view = msgspec.structs.replace(fold_all(recorded(*events, at=NOW)), feed="journal")
    if beat is None:
        return view
    return msgspec.structs.replace(view, heartbeat=Heartbeat(1, "host", NOW - beat, "", 0.0))


def plain(lines: Sequence[Content]) -> str:
    return "\n".join(line.plain for line in lines)


def styles(lines: Sequence[Content]) -> set[str]:
    return {str(span.style) for line in lines for span in line.spans}


def test_a_live_container_shows_state_health_load_and_ports() -> None:
    text = plain(draw_containers(seen(*readings()), FRAME))
    for word in ("workspace-api", "running", "healthy", "2.5%", "50.0 MiB / 1.0 GiB", "3200", "exited"):
        assert word in text


def test_stale_containers_are_never_green() -> None:
    live, stale = seen(*readings()), seen(*readings(), beat=60)
    assert GOOD in styles(draw_containers(live, FRAME))
    assert GOOD not in styles(draw_containers(stale, FRAME))


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


def test_an_unhealthy_container_shows_its_last_check() -> None:
    sick = ContainerReading("workspace-api", "running", "unhealthy", "workspace", detail="503 from /health")
    text = plain(draw_containers(seen(sick, SourceState("containers", Liveness.LIVE)), FRAME))
    assert "unhealthy" in text
    assert "503 from /health" in text


def many(*others: ContainerReading, number: int = 50) -> ViewState:
    """That many containers, of which these are given and the rest run, and the source live."""
    well = (ContainerReading(f"c-{n:02}", "running", "none") for n in range(number))
    rest = [reading for reading in well if reading.name not in {other.name for other in others}]
    return seen(*rest, *others, SourceState("containers", Liveness.LIVE))


def names_in(lines: Sequence[Content]) -> list[str]:
    return [word for line in lines if (word := line.plain.split()[0]).startswith("c-")]


def test_where_containers_do_not_fit_those_that_are_not_well_come_first() -> None:
    killed = ContainerReading("c-41", "exited", "none", exit_code=137)
    paused = ContainerReading("c-07", "paused", "none")
    view = many(killed, paused)
    assert names_in(draw_containers(view, FRAME))[:3] == ["c-41", "c-07", "c-00"]
    tall = replace(FRAME, height=60)
    assert names_in(draw_containers(view, tall)) == [f"c-{n:02}" for n in range(50)]


def test_where_containers_do_not_fit_the_title_counts_their_states() -> None:
    sick = ContainerReading("c-41", "running", "unhealthy")
    gone = ContainerReading("c-07", "missing", "unknown")
    pane, view = ContainersPane("containers"), many(sick, gone)
    assert pane.title(view, FRAME) == "2 Containers · 48 running, 1 unhealthy, 1 missing"
    assert pane.title(view, replace(FRAME, height=60)) == "2 Containers"
    assert "48 running" not in pane.title(view, replace(FRAME, now=NOW + 120))


@pytest.mark.parametrize(
    ("reading", "remark"),
    [
        (ContainerReading("c", "restarting", "none", exit_code=3), "exit code 3"),
        (ContainerReading("c", "restarting", "none", exit_code=137, oom_killed=True), "out of memory"),
        (ContainerReading("c", "exited", "none", exit_code=128, detail="no such file"), "no such file"),
        (ContainerReading("c", "exited", "unknown", exit_code=1, detail="pong"), "last: pong"),
        (ContainerReading("c", "running", "unknown", detail="not answered for 3 s"), "not answered for 3 s"),
    ],
)
def test_a_container_that_is_not_well_says_why_below_its_line(reading: ContainerReading, remark: str) -> None:
    lines = draw_containers(seen(reading, SourceState("containers", Liveness.LIVE)), FRAME)
    assert lines[-1].plain.strip() == f"└ {remark}"


def test_a_container_that_runs_again_after_its_memory_ran_out_is_shown_as_running() -> None:
    again = ContainerReading("c", "running", "healthy", restarts=1, oom_killed=True)
    text = plain(draw_containers(seen(again, SourceState("containers", Liveness.LIVE)), FRAME))
    assert "● running" in text
    assert "└ out of memory before it was started again" in text
    assert "OOM killed" not in text


def test_a_pane_as_wide_as_120_columns_allow_shows_network_and_both_ports() -> None:
    node = ContainerReading(
        "workspace-db-pageserver",
        "running",
        "healthy",
        ports=(6400, 9898),
        received_bytes=1023 * 1024,
        sent_bytes=1023 * 1024**2,
    )
    view = seen(node, SourceState("containers", Liveness.LIVE))
    line = draw_containers(view, replace(FRAME, width=116))[1].plain
    assert "1023 KiB / 1023 MiB" in line
    assert line.endswith("6400 9898")
    assert "KiB" not in plain(draw_containers(view, replace(FRAME, width=115)))


def test_a_container_that_is_well_or_was_stopped_has_no_remark() -> None:
    well = ContainerReading("c", "running", "healthy", detail="pong")
    stopped = ContainerReading("d", "exited", "none", exit_code=0, detail="pong")
    lines = draw_containers(seen(well, stopped, SourceState("containers", Liveness.LIVE)), FRAME)
    assert "pong" not in plain(lines)


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
    assert pane.body(changed, replace(FRAME, now=NOW + 1)).plain
    assert pane.body(view, replace(FRAME, now=NOW + 1)) is not first


def test_empty_panes_say_why() -> None:
    assert "waiting for the engine to start" in plain(draw_containers(seen(beat=None), FRAME))
    assert "being built" in plain(draw_rows(seen(SetupProgress("ports", 0, 3)), FRAME))
    assert "first reading" in plain(draw_latency(seen(started()), FRAME))
    assert "engine was gone" in plain(draw_rows(seen(started(), beat=60), FRAME))


def test_rows_show_both_sides_and_the_difference() -> None:
    text = plain(draw_rows(seen(RowsReading(ITEMS, 10_000, 9_990)), FRAME))
    assert "workspace_items" in text
    for word in ("10 000", "9 990", "-10"):
        assert word in text


def test_an_estimate_is_marked_and_an_unreadable_side_is_not_zero() -> None:
    lines = draw_rows(seen(RowsReading("workspace.audit", 13_000, None, estimated=True)), FRAME)
    line = lines[1].plain
    assert "~13 000" in line
    assert "–" in line
    assert "?" in line


def test_rows_whose_counts_say_nothing_of_each_other_show_no_difference() -> None:
    left_out = RowsReading("workspace.schema_version", 4, 1, note="left out")
    _, line = draw_rows(seen(left_out), FRAME)
    assert line.plain.split() == ["schema_version", "4", "1", "–", "exact", "left", "out"]
    uncounted = RowsReading(ITEMS, None, 5, note="mapped: no count")
    assert "✓ checksum" in plain(
        draw_rows(seen(TableVerified(ITEMS, 5, 5, "c0", "c0", True), uncounted), FRAME)
    )


def test_in_the_schema_panel_a_long_reason_stands_whole_below_its_object() -> None:
    reason = "with mapping.yaml, this comes from the target's own schema file, which has one of its own"
    objects = (SchemaObject("function", "workspace.touch()", "not-carried", reason),)
    lines = [line.plain for line in draw_schema(objects, 66)]
    assert all(len(line) <= 66 for line in lines)
    below = lines[lines.index(next(line for line in lines if "└" in line)) :]
    assert {line[:14] for line in below} == {" " * 14}
    assert " ".join(line.replace("└", "").strip() for line in below) == reason
    assert "with mapping" not in "".join(lines[: -len(below)])


@pytest.mark.parametrize("width", [62, 76, 120])
def test_millions_of_rows_are_not_cut_even_where_there_is_little_room(width: int) -> None:
    view = seen(RowsReading("workspace." + "long" * 10, 12_345_678, 12_345_670, estimated=True))
    _, line = draw_rows(view, replace(FRAME, width=width))
    for number in ("~12 345 678", "~12 345 670", "~-8", "not verif"):
        assert number in line.plain


def test_rows_say_when_they_were_counted_exactly_where_there_is_room() -> None:
    wide = replace(FRAME, width=110)
    for reading, told in (
        (RowsReading(ITEMS, 5, 5, exact_at=NOW), "exact"),
        (RowsReading(ITEMS, 5, 5, estimated=True, exact_at=NOW - 42), "~ 0:42 ago"),
        (RowsReading(ITEMS, 5, 5, estimated=True), "estimate"),
    ):
        heading, line, *_ = draw_rows(seen(reading), wide)
        assert "counted" in heading.plain
        assert told in line.plain
        assert "counted" not in plain(draw_rows(seen(reading), replace(FRAME, width=60)))


def test_equal_counts_alone_are_not_called_verified() -> None:
    text = plain(draw_rows(seen(RowsReading(ITEMS, 5, 5)), FRAME))
    assert "not verified" in text
    assert "✓" not in text


def test_a_verified_table_shows_its_checksum() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    assert "✓ checksum c0ffee01" in plain(draw_rows(seen(RowsReading(ITEMS, 5, 5), table), FRAME))


def test_rows_that_changed_after_the_verification_are_said_so() -> None:
    table = TableVerified(ITEMS, 5, 5, "c0ffee0123", "c0ffee0123", True)
    assert "since changed" in plain(draw_rows(seen(table, RowsReading(ITEMS, 5, 6)), FRAME))


def test_a_differing_table_says_so() -> None:
    assert "✗ differs" in plain(draw_rows(seen(*differing()), FRAME))


def test_a_moving_table_has_a_bar() -> None:
    text = plain(draw_rows(seen(*halfway()), FRAME))
    assert "50% copying" in text


def test_latency_tells_numbers_gaps_and_thresholds() -> None:
    lines = draw_latency(seen(*readings()), FRAME)
    text = plain(lines)
    for word in ("p50", "p99", "max", "300", "over 200", "no answer", "×"):
        assert word in text
    assert "log 1–500 ms" in lines[0].plain


def test_a_series_that_is_not_there_yet_is_no_alarm() -> None:
    away = SourceState("latency:api-new", Liveness.DOWN, "not started yet")
    lines = draw_latency(seen(away, started()), FRAME)
    assert "– not there" in plain(lines)
    assert styles(lines[1:]) <= {DIM, ""}


def test_the_header_names_role_run_clock_and_alerts() -> None:
    events = [*halfway(), AlertChanged("api", True, "API slower than 500 ms", NOW - 5)]
    text = plain(draw_header(seen(*events), FRAME))
    for word in (
        "OPERATOR",
        "run-7",
        "demo offline",
        "elapsed",
        "writes are down",
        "engine live",
        "migrate-data",
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
    assert "MIGRATED" in plain(draw_header(seen(started(), RunFinished(Outcome.MIGRATED)), FRAME))
    assert "ROLLED BACK" in plain(draw_header(seen(started(), RunFinished(Outcome.ROLLED_BACK)), FRAME))


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
    assert "5 000/10 000 rows" in text


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


def test_a_table_that_is_copied_is_told_so_with_all_its_rows_though_the_count_is_an_older_estimate() -> None:
    seen_of = [*halfway(), Progress("migrate-data", ITEMS, "copying", 10_000, 10_000, 1 << 20, finished=True)]
    text = plain(draw_rows(seen(*seen_of), FRAME))
    line = next(line for line in text.splitlines() if "workspace_items" in line)
    assert "✓ copied" in line
    assert line.count("10 000") == 2
