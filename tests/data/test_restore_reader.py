"""The backup file read back section by section: whatever is in it, wherever the blocks are cut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.data.backup.file import (
    END_OF_ROWS,
    FIRST_LINE,
    Content,
    End,
    Rows,
    Run,
    comment_lines,
    marker_line,
    psql_section,
    rows_head,
    statement_section,
)
from wsdash.data.backup.manifest import BackupContent, BackupTable
from wsdash.data.restore import play as restore_reader
from wsdash.data.restore.play import BackupReader
from wsdash.errors import InputError, WsdashError

TABLE = BackupTable("we ird", 't"able', ("a", "b c"), 3, "0")
CONTENT = BackupContent(
    tool="wsdash",
    schema="we ird",
    role="source",
    source="pg (localhost:1/x)",
    server_version=160000,
    snapshot="1",
    taken_at=1.0,
    tables={TABLE.qualified: TABLE},
    objects={},
)
LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12).filter(
    lambda line: line != "\\."
)


def file_of(statements: list[str], lines: list[str]) -> bytes:
    table = BackupTable(TABLE.schema, TABLE.name, TABLE.columns, len(lines), "0")
    data = FIRST_LINE + comment_lines(["people read\nthis"]) + marker_line(Content(CONTENT)) + b"\n"
    data += psql_section("\\set ON_ERROR_STOP on\nBEGIN;\n")
    data += b"".join(statement_section("function", "f\n-- wsdash {}", sql) for sql in statements)
    data += rows_head(table) + "".join(line + "\n" for line in lines).encode() + END_OF_ROWS + b"\n"
    return data + psql_section("COMMIT;\n") + marker_line(End(len(statements), len(lines)))


async def read(path: Path) -> tuple[list[str], bytes]:
    found, data = [], b""
    async with BackupReader(path) as reader:
        assert reader.content == CONTENT
        async for marker, sql in reader.sections():
            if isinstance(marker, Run):
                found.append(sql)
            else:
                assert isinstance(marker, Rows)
                assert (marker.schema, marker.table, marker.columns) == ("we ird", 't"able', ("a", "b c"))
                data = b"".join([block async for block in reader.rows()])
    return found, data


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LINE, max_size=12),
    st.lists(
        st.sampled_from(["SELECT 1", 'x $$;\n-- wsdash {"do":"end"}\n\\.\n$$', "SELECT 1 -- end"]), max_size=3
    ),
    st.sampled_from([1, 2, 3, 4, 5, 7, 64]),
)
async def test_every_cut_gives_back_what_was_written(lines: list[str], sql: list[str], block: int) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(restore_reader, "_BLOCK", block)
        path = Path(directory) / "b.sql"
        path.write_bytes(file_of(sql, lines))
        assert await read(path) == (sql, "".join(line + "\n" for line in lines).encode())


async def test_a_line_that_only_resembles_the_end_is_data(tmp_path: Path) -> None:
    path = tmp_path / "b.sql"
    lines = ["\\\\.", "x\\.", "\\.x", "-- wsdash {", ""]
    path.write_bytes(file_of([], lines))
    assert (await read(path))[1].decode().split("\n")[:-1] == lines


async def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = file_of(["SELECT 1", "SELECT 2"], ["one", "two", "three"])
    path = tmp_path / "b.sql"
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(WsdashError):
            await read(path)
    path.write_bytes(whole)
    await read(path)


async def test_a_missing_row_section_is_noticed_at_the_end(tmp_path: Path) -> None:
    whole = file_of(["SELECT 1"], ["one"])
    path = tmp_path / "b.sql"
    start = whole.index(b'-- wsdash {"do":"rows"')
    path.write_bytes(whole[:start] + whole[whole.index(END_OF_ROWS) + 3 :])
    with pytest.raises(WsdashError, match="does not fit"):
        await read(path)


@pytest.mark.parametrize("data", [b"", b"--\n-- PostgreSQL database dump\n--\n", b"SELECT 1;\n"])
async def test_another_programs_sql_is_left_to_psql(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        await read(path)
    assert "psql" in caught.value.remedy


async def test_sql_added_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.sql"
    path.write_bytes(
        file_of(["SELECT 1"], []).replace(b'-- wsdash {"do":"end"', b'DROP TABLE x;\n-- wsdash {"do":"end"')
    )
    with pytest.raises(WsdashError, match="did not write"):
        await read(path)


async def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.sql cannot be read"):
        await read(tmp_path / "nothing.sql")
