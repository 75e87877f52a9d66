"""The checklist is the guide's: ids, phases, order, and titles to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdash.config import shipped
from wsdash.errors import InputError
from wsdash.model import ItemKind, Meaning, Phase
from wsdash.plan import load_plan

GUIDE = {
    Phase.PRE: {
        "backup": "Backup current workspace data from TimescaleDB",
        "neon-image": "Build Neon image (`bash scripts/database/build-neon-from-source.sh`)",
        "review-adr": "Review ADR 007 (`docs/content/reference/adrs/007-workspace-neon-migration.md`)",
        "notify-team": "Notify team of scheduled maintenance",
        "ports-free": "Verify ports 5433, 6400, 9898, 5454, 7676 are available",
    },
    Phase.MIGRATION: {
        "stop-old": "Stop old workspace service",
        "start-stack": "Start Workspace Stack",
        "init-neon": "Initialize Neon database",
        "migrate-data": "Migrate data from TimescaleDB",
        "verify-data": "Verify data integrity",
        "test-api": "Test API endpoints",
        "update-dashboards": "Update monitoring dashboards",
    },
    Phase.POST: {
        "monitor-24h": "Monitor for 24 hours",
        "benchmarks": "Run performance benchmarks",
        "branching": "Test database branching feature",
        "update-docs": "Update team documentation",
        "go-no-go": "Schedule go/no-go review (Day 7)",
    },
}


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_lists_the_guides_items_in_order_and_to_the_letter(phase: Phase) -> None:
    found = {item.id: item.title for item in load_plan().items if item.phase is phase}
    assert list(found.items()) == list(GUIDE[phase].items())


def test_people_confirm_the_review_and_the_notice() -> None:
    plan = load_plan()
    assert plan.item("review-adr").kind is ItemKind.CONFIRM
    assert plan.item("notify-team").kind is ItemKind.CONFIRM


def test_nothing_of_the_migration_begins_before_the_whole_pre_list() -> None:
    assert set(load_plan().item("stop-old").needs) == set(GUIDE[Phase.PRE])


def plan(directory: Path, text: str) -> Path:
    (directory / "plan.yaml").write_text(text)
    return directory


def test_an_item_given_twice_is_refused(tmp_path: Path) -> None:
    line = "  - {id: a, phase: pre, kind: auto, title: A}\n"
    with pytest.raises(InputError, match="twice"):
        load_plan(plan(tmp_path, "items:\n" + line + line))


def test_a_need_that_comes_later_is_refused(tmp_path: Path) -> None:
    text = "items:\n  - {id: a, phase: pre, kind: auto, title: A, needs: [b]}\n"
    with pytest.raises(InputError, match="'b'"):
        load_plan(plan(tmp_path, text))


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="kind"):
        load_plan(plan(tmp_path, "items:\n  - {id: a, phase: pre, kind: magic, title: A}\n"))


def written(text: str) -> list[tuple[str, ...]]:
    """The meanings that each item's own keys say."""
    import yaml

    return [
        tuple(f"{key}: {value}" for key, value in item.items() if f"{key}: {value}" in set(Meaning))
        for item in yaml.safe_load(text)["items"]
    ]


def test_the_shipped_plan_says_of_each_item_what_it_means() -> None:
    plan = load_plan()
    said = written(shipped("config", "plan.yaml").read_text())
    assert said == [tuple(item.meanings) for item in plan.items]
    assert sorted(one for line in said for one in line) == sorted(Meaning)


def test_a_plan_written_before_items_said_it_means_the_same(tmp_path: Path) -> None:
    text = shipped("config", "plan.yaml").read_text()
    for meaning in Meaning:
        text = text.replace(f" {meaning},", "")
    assert not any(written(text))
    old = load_plan(plan(tmp_path, text))
    assert [item.meanings for item in old.items] == [item.meanings for item in load_plan().items]


CLOSES = "items:\n  - {id: fence, phase: migration, kind: auto, title: T, closes: source}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLOSES, "the write downtime would never end"),
        (CLOSES + "  - {id: open, phase: pre, kind: auto, title: T, closes: source}\n", "both mean"),
        (CLOSES.replace("source", "target"), "closes"),
    ],
)
def test_meanings_that_cannot_be_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_plan(plan(tmp_path, text))
    assert said in str(caught.value)
    assert "plan.yaml" in caught.value.where


def test_online_runs_the_same_items_in_an_order_of_its_own() -> None:
    plan = load_plan()
    titles = {item.id: item.title for item in plan.in_mode("online").items}
    assert {item.id: titles[item.id] for item in plan.items} == {item.id: item.title for item in plan.items}
    order = [item.id for item in plan.in_mode("online").items if item.phase is Phase.MIGRATION]
    assert order[:8] == [
        "start-stack",
        "init-neon",
        "capture",
        "migrate-data",
        "catch-up",
        "verify-data",
        "switch",
        "stop-old",
    ]


def test_online_the_switch_alone_closes_and_opens() -> None:
    plan = load_plan().in_mode("online")
    assert plan.that(Meaning.CLOSES_SOURCE) == plan.that(Meaning.OPENS_TARGET) == "switch"
    assert plan.that(Meaning.STOPS_OLD) == "stop-old"
    assert plan.item("test-api").meanings == ()


def test_a_plan_without_an_online_order_refuses_that_mode(tmp_path: Path) -> None:
    text = "items:\n  - {id: a, phase: migration, kind: auto, title: A}\n"
    with pytest.raises(InputError, match="no order for --mode online"):
        load_plan(plan(tmp_path, text)).in_mode("online")


def test_an_online_order_that_leaves_an_item_out_is_refused(tmp_path: Path) -> None:
    text = "items:\n  - {id: a, phase: migration, kind: auto, title: A}\n"
    text += "  - {id: b, phase: migration, kind: auto, title: B}\nonline:\n  - {id: b}\n"
    with pytest.raises(InputError, match="leaves out a"):
        load_plan(plan(tmp_path, text))
