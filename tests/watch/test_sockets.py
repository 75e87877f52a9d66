"""Sockets that listen, by sock_diag and by /proc."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from wsdash.watch.pollers import sockets
from wsdash.watch.pollers.sockets import asked, listening_sockets, read

WAYS = [asked, read]


@contextlib.contextmanager
def listening(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """The port on which a socket listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("way", WAYS)
def test_both_ways_see_each_socket_of_the_ports_and_no_other(
    way: Callable[[frozenset[int]], Iterator[str]],
) -> None:
    with listening() as first, listening("::1") as second, listening() as other:
        found = frozenset(way(frozenset({first, second})))
        assert len(found) == 2
        assert len(found | frozenset(way(frozenset({other})))) == 3
    assert not frozenset(way(frozenset({first, second, other})))


@pytest.mark.parametrize("way", WAYS)
def test_another_socket_on_the_same_port_is_told_apart(
    way: Callable[[frozenset[int]], Iterator[str]],
) -> None:
    with listening() as port:
        before = frozenset(way(frozenset({port})))
        with listening("::1", port):
            both = frozenset(way(frozenset({port})))
    with listening(port=port):
        assert frozenset(way(frozenset({port}))) != before
    assert before < both


@pytest.mark.parametrize("refusal", [OSError("no such module"), AttributeError("AF_NETLINK")])
def test_where_the_kernel_does_not_answer_the_table_is_read(
    refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(ports: frozenset[int]) -> Iterator[str]:
        raise refusal

    monkeypatch.setattr(sockets, "asked", refused)
    with listening() as port:
        found = listening_sockets([port])
    assert found is not None
    assert len(found) == 1


def test_a_refused_question_is_an_error_and_no_empty_answer() -> None:
    """The kernel refuses a dump of a protocol that it does not know by an error message."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as link:
        body = bytes(72)
        header = sockets.HEADER.pack(16 + len(body), 999, 0x301, 0, 0)
        link.send(header + body)
        with pytest.raises(OSError, match="refuses"):
            list(sockets.answers(link))
