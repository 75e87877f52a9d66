"""In which order objects are made: what needs itself through others is left out, and a table blocks."""

from __future__ import annotations

from wsdash.data.catalog.items import Draft, SchemaItem
from wsdash.data.catalog.order import cut_cycles


def draft(kind: str, name: str, *needs: int) -> Draft:
    return Draft(SchemaItem(kind, name), [], needs=set(needs))


def test_views_that_need_each_other_are_left_out_and_said_to() -> None:
    drafts = [draft("view", "a", 1), draft("view", "b", 0), draft("view", "c", 0)]
    cut_cycles(drafts)
    first, second, reader = (one.item for one in drafts)
    assert first.left_out.startswith("it and view b need each other")
    assert second.left_out.startswith("it and view a need each other")
    assert (first.blocked, second.blocked, reader.left_out) == ("", "", "")
    assert [one.needs for one in drafts] == [set(), {0}, {0}], "one cut opens the ring"


def test_a_table_in_such_a_ring_blocks() -> None:
    drafts = [draft("table", "t", 1), draft("function", "f", 0)]
    cut_cycles(drafts)
    table, function = (one.item for one in drafts)
    assert (table.left_out, function.blocked) == ("", "")
    assert table.blocked.startswith("it and function f need each other")
    assert function.left_out.startswith("it and table t need each other")
