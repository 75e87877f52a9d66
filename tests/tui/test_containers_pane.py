"""What the containers' pane says: states, load, what is not well, and which come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from textual.content import Content

from tests.tui.drawing import FRAME, NOW, many, plain, seen, styles
from tests.tui.support import readings
from wsdash.model import ContainerReading, Liveness, SourceState
from wsdash.tui.drawn.cells import name_cell
from wsdash.tui.drawn.looks import GOOD
from wsdash.tui.panes.containers import ContainersPane, draw_containers
from wsdash.tui.state.viewstate import ViewState


def test_a_live_container_shows_state_health_load_and_ports() -> None:
    text = plain(draw_containers(seen(*readings()), FRAME))
    for word in ("workspace-api", "running", "healthy", "2.5%", "50.0 MiB / 1.0 GiB", "3200", "exited"):
        assert word in text


def test_stale_containers_are_never_green() -> None:
    live, stale = seen(*readings()), seen(*readings(), beat=60)
    assert GOOD in styles(draw_containers(live, FRAME))
    assert GOOD not in styles(draw_containers(stale, FRAME))


def test_an_unhealthy_container_shows_its_last_check() -> None:
    sick = ContainerReading("workspace-api", "running", "unhealthy", "workspace", detail="503 from /health")
    text = plain(draw_containers(seen(sick, SourceState("containers", Liveness.LIVE)), FRAME))
    assert "unhealthy" in text
    assert "503 from /health" in text


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


def live(*events: ContainerReading) -> ViewState:
    return seen(*events, SourceState("containers", Liveness.LIVE))


def test_a_container_that_could_not_be_started_shows_the_reason_of_the_engine() -> None:
    why = 'exec: "serve": executable file not found in $PATH'
    created = ContainerReading("workspace-api", "created", "none", detail=why)
    text = plain(draw_containers(live(created), FRAME))
    assert "✗ cannot run" in text
    assert why in text


def test_a_container_that_was_only_created_is_no_fault() -> None:
    text = plain(draw_containers(live(ContainerReading("workspace-api", "created", "none")), FRAME))
    assert "○ created" in text
    assert "✗" not in text


@pytest.mark.parametrize(
    ("width", "told"),
    [(81, "workspace-project-db-pageserver-01"), (78, "workspace-proje…pageserver-01")],
)
def test_a_name_is_whole_where_there_is_room_and_else_cut_in_the_middle(width: int, told: str) -> None:
    reading = ContainerReading("workspace-project-db-pageserver-01", "running", "healthy")
    line = draw_containers(live(reading), replace(FRAME, width=width))[1]
    assert line.plain.split()[0][:10] == told[:10]
    assert line.plain.split()[0].endswith("pageserver-01")


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghij", 9, "abcd…ghij"),
        ("abcdefghij", 6, "abc…ij"),
        ("ab", 5, "ab   "),
        ("数据库数据库", 8, "数…库  "),
        ("abc", 2, "a…"),
        ("abc", 0, ""),
    ],
)
def test_a_name_takes_exactly_its_cells(text: str, width: int, cut: str) -> None:
    assert name_cell(text, width).cell_length == width
    if text.isascii():
        assert name_cell(text, width).plain == cut
