"""The testing checklist: the guide's lines to the letter, each tried on the running world, nothing left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.steps.support import context
from wsdash.errors import InputError
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import ItemKind
from wsdash.plan import load_plan
from wsdash.steps.base import Evidence, StepContext
from wsdash.steps.trials.checklist import TRIALS, TestStep, no_errors

GUIDE = {
    "functional": [
        "List items: `curl http://localhost:3200/api/items`",
        "Create item: `curl -X POST http://localhost:3200/api/items -d '{...}'`",
        "Update item: `curl -X PUT http://localhost:3200/api/items/:id -d '{...}'`",
        "Delete item: `curl -X DELETE http://localhost:3200/api/items/:id`",
        "Dashboard loads: `http://localhost:3103/#/workspace`",
        "Kanban drag & drop works",
        "Categories dropdown populated",
    ],
    "performance": [
        "GET /api/items responds in < 200ms",
        "POST /api/items responds in < 100ms",
        "No errors in logs after 1 hour",
        "Resource usage acceptable (< 2GB RAM)",
    ],
    "neon": [
        "Database branching works",
        "Metrics endpoints respond (9898, 7676)",
        "Health checks pass",
        "Graceful shutdown works",
    ],
}


@pytest.mark.parametrize("group", list(GUIDE))
def test_a_group_lists_the_guides_lines_in_order_and_to_the_letter(group: str) -> None:
    assert [test.title for test in load_plan().tests if test.group == group] == GUIDE[group]


def test_every_automatic_line_has_a_trial() -> None:
    tests = load_plan().tests
    assert {test.id for test in tests if test.kind is ItemKind.AUTO} == set(TRIALS)


def test_what_interrupts_the_service_is_not_among_all() -> None:
    assert "test-shutdown" not in load_plan().automatic_tests()
    assert "test-kanban" not in load_plan().automatic_tests()


def test_a_test_may_not_bear_an_items_name(tmp_path: Path) -> None:
    line = '  - {id: backup, group: neon, kind: auto, title: "again"}\n'
    (tmp_path / "testing.yaml").write_text("tests:\n" + line)
    with pytest.raises(InputError, match="'backup' is given twice"):
        load_plan(tmp_path)


async def test_a_test_that_is_asked_for_again_is_tried_again(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)
    seen = iter([Evidence(True, "first"), Evidence(False, "second")])

    async def trial(ctx: StepContext) -> Evidence:
        return next(seen)

    step = TestStep("test-x", trial)
    await step.act(ctx)
    assert (await step.check(ctx)).text == "first"
    ctx.options["since"] = time.time()
    assert not (await step.check(ctx)).holds
    await step.act(ctx)
    assert (await step.check(ctx)).text == "second"


async def test_an_answer_for_want_of_data_is_remembered_as_that(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)

    async def trial(ctx: StepContext) -> Evidence:
        return Evidence(False, "20 of 60 minutes", insufficient=True)

    step = TestStep("test-x", trial)
    await step.act(ctx)
    assert (await step.check(ctx)).insufficient


async def _hour(ctx: StepContext, minutes: int, errors: float) -> Evidence:
    writer = await asyncio.to_thread(HistoryWriter.open, ctx.state / FILE)
    now = time.time()
    for minute in range(minutes):
        writer.add("errors:workspace-api", now - 30 - 60 * minute, errors if minute == 5 else 0.0)
    await asyncio.to_thread(writer.close)
    return await no_errors(ctx)


async def test_an_hour_that_was_not_watched_is_no_hour_without_errors(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)
    evidence = await _hour(ctx, 20, 0)
    assert not evidence.holds
    assert evidence.insufficient
    assert "insufficient data: 20 of the last 60 minutes" in evidence.text


async def test_a_watched_hour_without_errors_holds(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)
    assert (await _hour(ctx, 60, 0)).holds


async def test_one_error_in_a_watched_hour_does_not_hold(tmp_path: Path) -> None:
    ctx, _ = context(tmp_path)
    evidence = await _hour(ctx, 60, 3)
    assert not evidence.holds
    assert not evidence.insufficient
    assert "3 error lines in the worst minute" in evidence.text
