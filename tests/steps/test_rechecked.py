"""Which items are read again before later ones act is said once, and their steps are made for it."""

from __future__ import annotations

from wsdash.plan import load_plan
from wsdash.steps.base import RecheckedStep
from wsdash.steps.registry import all_steps


def test_the_items_that_are_read_again_are_those_whose_steps_can_be() -> None:
    rechecked = {item.id for item in load_plan().items if item.rechecked}
    assert rechecked == {name for name, step in all_steps().items() if isinstance(step, RecheckedStep)}
    assert rechecked == {"stop-old", "start-stack", "init-neon", "migrate-data"}
