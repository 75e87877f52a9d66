"""Files from outside: regular ones, bounded, UTF-8; whatever else a path names is one kind of error."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdash.data.pg.connect import Endpoint, open_connection
from wsdash.errors import UnreachableError
from wsdash.outside import read_file, read_text_file


@pytest.mark.parametrize("largest", [5, 6])
def test_a_file_within_its_bound_is_read_whole(tmp_path: Path, largest: int) -> None:
    (file := tmp_path / "f").write_bytes(b"12345")
    assert read_file(file, largest=largest) == b"12345"


def test_a_larger_file_is_refused_with_its_bound(tmp_path: Path) -> None:
    (file := tmp_path / "f").write_bytes(b"12345")
    with pytest.raises(OSError, match="larger than 4 bytes") as caught:
        read_file(file, largest=4)
    assert caught.value.filename == str(file)


def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        read_file(pipe)
    with pytest.raises(OSError, match="no regular file"):
        read_file(Path("/dev/zero"))
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="socket"):
            read_file(tmp_path / "socket")


def test_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_text_of_another_encoding_is_refused_without_its_content(tmp_path: Path) -> None:
    (file := tmp_path / "f").write_bytes("geheim-é".encode("latin-1"))
    with pytest.raises(OSError, match=r"not UTF-8 text \(byte 8 of it\)") as caught:
        read_text_file(file)
    assert "geheim" not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_comes_back_with_plain_line_ends(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    (file := tmp_path_factory.getbasetemp() / "text").write_bytes(text.encode())
    assert read_text_file(file) == text.replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("kind", ["latin-1", "pipe", "device", "directory", "missing"])
async def test_a_password_file_that_cannot_be_read_is_a_sentence(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "password"
    match kind:
        case "latin-1":
            file.write_bytes("geheim-é".encode("latin-1"))
        case "pipe":
            os.mkfifo(file)
        case "device":
            file = Path("/dev/zero")
        case "directory":
            file.mkdir()
    server = Endpoint("source", "127.0.0.1", 1, "workspace", "postgres", password_file=str(file))
    with pytest.raises(UnreachableError, match="put right on this machine") as caught:
        await open_connection(server, read_only=True)
    assert str(file) in str(caught.value)
    assert "geheim" not in str(caught.value)
