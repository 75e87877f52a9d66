"""What a rollback's intent must say, and what it chooses of rows that both sides changed."""

from __future__ import annotations

import pytest

from wsdash.engine.run.intents import kept, refusal
from wsdash.model import Intent
from wsdash.model.facts import KeepChoice
from wsdash.model.fold import RunView
from wsdash.plan import load_plan

PLAN = load_plan()


def refused(phrase: str, **options: object) -> str:
    return refusal(Intent("rollback", phrase=phrase, options=options), PLAN, RunView(), "", False)


@pytest.mark.parametrize(("phrase", "refusing"), [("ROLLBACK", True), ("GIVE UP", False)])
def test_giving_up_what_users_wrote_wants_a_word_of_its_own(phrase: str, refusing: bool) -> None:
    assert bool(refused(phrase, give_up=True)) is refusing
    assert bool(refused(phrase)) is not refusing


def test_what_was_chosen_of_rows_stays_where_the_next_choice_says_nothing() -> None:
    first = kept(Intent("rollback", options={"keep_rows": {"a": "source", "b": "source"}}))
    then = kept(Intent("rollback", options={"keep_rows": {"b": "target", "c": "target"}}), first)
    assert then == KeepChoice(all="", rows={"a": "source", "b": "target", "c": "target"})


def test_a_row_has_no_third_side() -> None:
    assert "source or target" in refused("ROLLBACK", keep_rows={"a": "both"})
