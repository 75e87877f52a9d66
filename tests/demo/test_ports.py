"""The world takes the guide's ports, or moves all of them by one offset, and never shares them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import free_port
from wsdash.demo.world import ports as room
from wsdash.errors import InputError

STEP = 150


@pytest.fixture
def offset() -> Iterator[int]:
    """An offset at which all ports are free right now."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for candidate in range(1000 + worker * 1000, 2000 + worker * 1000, 10):
        if all(room.is_free(port) for port in room.Ports().moved(candidate).by_name().values()):
            yield candidate
            room.release(candidate)
            return


@pytest.fixture
def elsewhere(tmp_path: Path, offset: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only two offsets exist, both free, whatever else runs on this machine."""
    monkeypatch.setattr(room, "OFFSETS", (offset, offset + STEP))
    return tmp_path


def _listen(port: int) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


def test_unmoved_ports_are_the_guides() -> None:
    assert sorted(room.Ports().by_name().values()) == [3103, 3200, 3201, 5432, 5433, 5454, 6400, 7676, 9898]


def test_the_first_free_offset_is_taken(elsewhere: Path, offset: int) -> None:
    assert room.choose_ports(elsewhere).offset == offset


def test_one_taken_port_moves_all(elsewhere: Path, offset: int) -> None:
    with _listen(6400 + offset):
        chosen = room.choose_ports(elsewhere)
    assert chosen.offset == offset + STEP
    assert chosen.by_name() == room.Ports().moved(offset + STEP).by_name()
    room.release(offset + STEP)


def test_a_given_offset_with_a_taken_port_is_refused_naming_port_and_holder(
    elsewhere: Path, offset: int
) -> None:
    with _listen(9898 + offset), pytest.raises(InputError) as refused:
        room.choose_ports(elsewhere, offset)
    assert str(9898 + offset) in refused.value.what
    assert f"pid {os.getpid()}" in refused.value.what
    assert "--port-offset" in refused.value.remedy


def test_a_second_world_is_kept_apart_before_anything_listens(elsewhere: Path, offset: int) -> None:
    first = room.choose_ports(elsewhere / "one")
    second = room.choose_ports(elsewhere / "two")
    assert (first.offset, second.offset) == (offset, offset + STEP)
    with pytest.raises(InputError) as refused:
        room.choose_ports(elsewhere / "three", offset)
    assert str(elsewhere / "one") in refused.value.what
    assert room.choose_ports(elsewhere / "one", offset) == first
    room.release(offset + STEP)


def test_an_offset_outside_the_port_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="60000"):
        room.choose_ports(tmp_path, 60_000)


def test_the_holder_of_a_port_is_named() -> None:
    port = free_port()
    assert room.holder(port) == ""
    with _listen(port):
        assert f"pid {os.getpid()}" in room.holder(port)


@pytest.mark.parametrize("text", ["32768\t60999\n", "15000 65000", "nonsense", None])
def test_no_offset_falls_into_the_range_that_the_machine_hands_out(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "range"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(room, "EPHEMERAL", file)
    first, last = room.ephemeral_range()
    assert room.offsets()[0] == 0
    for offset in room.offsets():
        assert not any(first <= port <= last for port in room.Ports().moved(offset).by_name().values())


def test_where_every_offset_would_all_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "range").write_text("1024 65535")
    monkeypatch.setattr(room, "EPHEMERAL", tmp_path / "range")
    assert room.offsets() == list(room.OFFSETS)
