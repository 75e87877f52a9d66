"""Which of a chunk's indexes TimescaleDB made for its hypertable's."""

from __future__ import annotations

import pytest

from wsdash.data.catalog.kinds.parts import is_clone

CHUNK = "_hyper_1_1_chunk"
ORIGIN = {"name": "items_status", "is_unique": False, "tail": "btree (status)"}
LONG = "a" * 60


def index(name: str, *, is_unique: bool = False, tail: str = "btree (status)") -> dict[str, object]:
    return {
        "relation": f"_timescaledb_internal.{CHUNK}",
        "name": name,
        "is_unique": is_unique,
        "tail": tail,
    }


@pytest.mark.parametrize(
    ("row", "clone"),
    [
        (index(f"{CHUNK}_items_status"), True),
        (index(f"{CHUNK}_items_status1"), True),
        (index(f"{CHUNK}_items_status", tail="btree (status) WHERE (2 > 1)"), True),
        (index(f"{CHUNK}_items_status", tail="hash (status)"), False),
        (index(f"{CHUNK}_items_status", is_unique=True), False),
        (index(f"{CHUNK}_items_status_too"), False),
        (index("somebodys_own"), False),
    ],
)
def test_a_clone_has_the_names_of_both_and_is_of_the_same_kind(row: dict[str, object], clone: bool) -> None:
    assert is_clone(row, ORIGIN) is clone


def test_of_a_name_that_was_cut_the_chunks_part_is_enough() -> None:
    long = ORIGIN | {"name": LONG}
    assert is_clone(index(f"{CHUNK}_{LONG}"[:63]), long)
    assert not is_clone(index(f"{CHUNK}_{LONG}"[:63], tail="gin (status)"), long)
    assert not is_clone(index("somebodys_own"), long)
