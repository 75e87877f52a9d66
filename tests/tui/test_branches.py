"""The branches panel: main first, size and age, stale as stale, and why when nothing is known."""

from __future__ import annotations

from tests.tui.support import recorded
from wsdash.model import AnyEvent, Branch, BranchesReading, Liveness, SourceState
from wsdash.tui.drawn.cells import Frame
from wsdash.tui.drawn.looks import GOOD
from wsdash.tui.panels.databases import draw_branches
from wsdash.tui.state.viewstate import ViewState, fold_all

NOW = 10_000.0
MAIN = Branch("5e7d" * 8, "", "", 31_457_280, "Active")
BRANCH = Branch("7773" * 8, MAIN.timeline, "0/16B5A50", 8_000_000, "Active", NOW - 7200)


def drawn(*events: AnyEvent, now: float = NOW, width: int = 120) -> str:
    view: ViewState = fold_all(recorded(*events, at=NOW))
    return "\n".join(line.plain for line in draw_branches(view, Frame(now, width)))


def test_the_main_timeline_comes_first_then_its_branches_with_size_and_age() -> None:
    lines = drawn(BranchesReading((BRANCH, MAIN))).splitlines()
    main, branch = lines[-2:]
    assert main.startswith(MAIN.timeline)
    for word in (f"└ {BRANCH.timeline}", "● Active", "7.6 MiB", "2 h", "0/16B5A50"):
        assert word in branch


def test_a_narrow_screen_keeps_size_and_age() -> None:
    lines = drawn(BranchesReading((MAIN, BRANCH)), width=72).splitlines()
    assert "2 h" in lines[-1]
    assert all(len(line) <= 72 for line in lines)


def test_no_branch_says_what_makes_one() -> None:
    assert "item branching makes one" in drawn(BranchesReading((MAIN,)))


def test_an_old_list_is_stale_and_not_green() -> None:
    view = fold_all(recorded(BranchesReading((MAIN,)), at=NOW))
    lines = draw_branches(view, Frame(NOW + 600, 120))
    assert lines[0].plain.startswith("◌ stale")
    assert GOOD not in {str(span.style) for line in lines for span in line.spans}


def test_nothing_known_says_why() -> None:
    told = SourceState("branches", Liveness.DOWN, "not started: workspace-db-pageserver is created")
    assert "was not asked yet" in drawn()
    assert "workspace-db-pageserver is created" in drawn(told)
