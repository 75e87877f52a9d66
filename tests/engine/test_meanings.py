"""What an item means for the run holds in whatever way it becomes done: by a step, or by a person's word."""

from __future__ import annotations

import pytest

from tests.engine.session import Session, states, view
from tests.engine.small_world import Small
from tests.engine.test_reprove import Fence, Files, Filled, Ground, Steps, broken

OPENED_BY_A_PERSON = """
items:
  - {id: backup, phase: pre, kind: auto, title: "Save"}
  - {id: fence, phase: migration, kind: auto, closes: source, title: "Stop", needs: [backup]}
  - {id: copy, phase: migration, kind: auto, copies: rows, title: "Copy", needs: [fence]}
  - {id: hand-over, phase: migration, kind: confirm, opens: target, title: "Open", needs: [copy]}
  - {id: dashboards, phase: migration, kind: auto, title: "Show", needs: [hand-over]}
"""


@pytest.fixture
def steps(small: Small) -> Steps:
    """A plan whose new service is opened by a person."""
    (small.config / "plan.yaml").write_text(OPENED_BY_A_PERSON)
    kinds = {"backup": Files, "fence": Fence, "copy": Filled, "dashboards": Ground}
    return {name: kind(name, small.work) for name, kind in kinds.items()}


def session_with(small: Small, steps: Steps) -> Session:
    session = Session(small)
    session.changes = {"steps": dict(steps)}
    return session


@pytest.mark.parametrize(
    ("word", "state"),
    [("confirm", "done"), ("skip", "skipped")],
)
async def test_a_persons_word_ends_the_downtime_where_the_item_opens_the_target(
    small: Small, steps: Steps, word: str, state: str
) -> None:
    async with session_with(small, steps) as session:
        await session.ask("run-auto")
        await session.until("copy", "done")
        await session.idle()
        clock = view(small).downtime
        assert clock is not None
        assert clock.running
        await session.ask(word, "hand-over", who="Ana", note="the team writes there")
        await session.until("hand-over", state)
        await session.until("dashboards", "done")
    clock = view(small).downtime
    assert clock is not None
    assert clock.ended_at is not None


async def test_yes_ends_the_downtime_as_a_person_does(small: Small, steps: Steps) -> None:
    async with session_with(small, steps) as session:
        await session.ask("run-auto", options={"yes": True})
        await session.until("dashboards", "done")
    assert view(small).write_downtime_seconds is not None


async def test_once_a_person_opened_it_the_copy_is_not_read_again_nor_made_again(
    small: Small, steps: Steps
) -> None:
    """Users write to the target: rows that differ from the source are theirs."""
    async with session_with(small, steps) as session:
        await session.ask("run-auto", options={"until": "hand-over", "yes": True})
        await session.until("hand-over", "done")
        await session.idle()
        before = steps["copy"].checks
        broken(small.work, "copy")
        await session.ask("run-item", "dashboards")
        await session.until("dashboards", "done")
    assert steps["copy"].checks == before
    assert states(small)["copy"] == "done"


async def test_a_rollback_ends_a_downtime_that_a_person_began(small: Small) -> None:
    text = OPENED_BY_A_PERSON.replace("kind: auto, closes: source", "kind: confirm, closes: source")
    (small.config / "plan.yaml").write_text(text)
    kinds = {"backup": Files, "copy": Filled, "dashboards": Ground}
    steps = {name: kind(name, small.work) for name, kind in kinds.items()}
    async with session_with(small, steps) as session:
        await session.ask("run-auto", options={"until": "copy", "yes": True})
        await session.until("copy", "done")
        clock = view(small).downtime
        assert clock is not None
        assert clock.running
        await session.ask("rollback", phrase="ROLLBACK")
        await session.until("copy", "undone")
        await session.idle()
    assert view(small).write_downtime_seconds is not None
