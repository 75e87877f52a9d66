"""`wsdash verify`: what makes it say no, beside tables that differ."""

from __future__ import annotations

import argparse
import json

import pytest

from wsdash.cli.looking import compare as command
from wsdash.model import TableVerified
from wsdash.model.run import EQUAL
from wsdash.steps.database.verify import ComparedNow

LINE = "s.colours: 1 of the 2 rows of the schema file"


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Equal tables, and the rows of the schema file that were changed."""
    changed: list[str] = []

    async def compared(settings: object) -> list[ComparedNow]:
        return [ComparedNow(TableVerified("s.items", 2, 2, "a", "a", True), EQUAL)]

    async def read(settings: object) -> list[str]:
        return changed

    monkeypatch.setattr(command, "found_state", lambda _: None)
    monkeypatch.setattr(command, "verify_now", compared)
    monkeypatch.setattr(command, "changed_seeds", read)
    return changed


def asked(*, as_json: bool = False) -> argparse.Namespace:
    return argparse.Namespace(config=None, state=None, json=as_json)


def test_equal_tables_are_equal(seeds: list[str]) -> None:
    assert command.verify(asked()) == 0


def test_a_changed_row_of_the_schema_file_is_told_and_is_a_no(
    seeds: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    seeds.append(LINE)
    assert command.verify(asked()) == 1
    told = capsys.readouterr().out
    assert f"rows that stay were changed or deleted: {LINE}" in told
    assert "tables that differ" not in told


def test_programs_read_it_too(seeds: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    seeds.append(LINE)
    assert command.verify(asked(as_json=True)) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["equal"], found["schema_file_rows_changed"]) == (False, [LINE])
