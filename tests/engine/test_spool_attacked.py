"""A spool that another program wrote into: what is a line is read, harmless; the rest costs nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.engine.background.spool import LONGEST_ROW, SpoolReader
from wsdash.model import LogLine

GOOD = LogLine("api", 1.0, "stdout", "good")


def spool(state: Path, content: bytes) -> SpoolReader:
    """A spool with this segment."""
    (state / "logs").mkdir(exist_ok=True)
    (state / "logs" / "00000001.jsonl").write_bytes(content)
    return SpoolReader(state)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=300).filter(lambda piece: b"\n" not in piece), max_size=6))
def test_any_bytes_leave_the_lines_around_them_readable(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    row = msgspec.json.encode(GOOD)
    reader = spool(tmp_path_factory.mktemp("spool"), b"\n".join([row, *pieces, row]) + b"\n")
    lines, cursor = reader.read()
    assert lines[0] == lines[-1] == GOOD
    assert reader.read(cursor)[0] == []


def test_a_line_without_end_is_passed_over_and_not_held_in_memory(tmp_path: Path) -> None:
    row = msgspec.json.encode(GOOD) + b"\n"
    reader = spool(tmp_path, row + b"[" * (3 * LONGEST_ROW) + b"\n" + row)
    lines, cursor = reader.read()
    assert lines == [GOOD, GOOD]
    assert reader.read(cursor)[0] == []
    assert reader.tail(10)[0] == [GOOD, GOOD]


def test_escapes_of_another_writer_have_no_power(tmp_path: Path) -> None:
    evil = LogLine("a\x1b[2J", 1.0, "stdout", "b\x1b]52;c;aGk=\x07\u202e\x9b31m")
    [line], _ = spool(tmp_path, msgspec.json.encode(evil) + b"\n").read()
    assert not set("\x1b\x07\x9b\u202e") & set(line.text + line.container)


def test_files_of_odd_names_are_no_segments(tmp_path: Path) -> None:
    reader = spool(tmp_path, msgspec.json.encode(GOOD) + b"\n")
    for name in ("\N{SUPERSCRIPT TWO}.jsonl", "x.jsonl", "9" * 100 + ".jsonl"):
        (tmp_path / "logs" / name).write_text("x\n")
    assert reader.read()[0] == [GOOD]
