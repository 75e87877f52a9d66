"""Which sockets listen on a port: asked of Linux's sock_diag, or read in /proc where that does not answer.

To write /proc/net/tcp the kernel walks the table of all connections: 5 ms on a machine with hardly any, as
much again for IPv6. sock_diag, which ss asks as well, is asked for those that listen alone: 0.2 ms.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

_SOCK_DIAG, _BY_FAMILY = 4, 20  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY: linux/netlink.h, linux/sock_diag.h
_REQUEST_DUMP = 0x301
HEADER = struct.Struct("=IHHII")
"""A message's length, type, flags, sequence number and port."""
_ERROR, _DONE = 2, 3
_QUESTION = struct.Struct("=BBBBI48x")
"""inet_diag_req_v2 (linux/inet_diag.h): family, protocol, extensions, padding, states, any address."""
_ANSWER = struct.Struct("=4x2s2x16s44xI")
"""inet_diag_msg: the own port, the own address, the inode."""
_LISTEN = 10
_ANSWER_SECONDS = 1.0
_MOST_BYTES = 65_536


def listening_sockets(ports: Iterable[int]) -> frozenset[str] | None:
    """What tells the sockets that listen on these ports from any others, without asking who holds them.

    None where the system has no such list. Blocking; costs a small part of what the holders cost.
    """
    wanted = frozenset(ports)
    try:
        return frozenset(asked(wanted))
    except (OSError, AttributeError, struct.error):  # no Linux, no such module in it, or we may not ask
        return read(wanted)


def asked(ports: frozenset[int]) -> Iterator[str]:
    """The same from sock_diag. Raises OSError, AttributeError where there is none, struct.error."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as link:
        link.settimeout(_ANSWER_SECONDS)
        for family in (socket.AF_INET, socket.AF_INET6):
            question = _QUESTION.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << _LISTEN)
            link.send(HEADER.pack(HEADER.size + len(question), _BY_FAMILY, _REQUEST_DUMP, 0, 0) + question)
            for answer in answers(link):
                port, address, inode = _ANSWER.unpack_from(answer)
                if int.from_bytes(port, "big") in ports:
                    yield f"{address.hex()}:{port.hex()} {inode}"


def answers(link: socket.socket) -> Iterator[bytes]:
    """The bodies of one answer's messages. Raises OSError where it is a refusal."""
    while True:
        data, at = link.recv(_MOST_BYTES), 0
        while at < len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            body = data[at + HEADER.size : at + length]
            if kind == _DONE:
                return
            if kind == _ERROR or length < HEADER.size:
                raise OSError("sock_diag refuses the question")
            yield body
            at += (length + 3) & ~3  # messages are aligned


def read(ports: frozenset[int]) -> frozenset[str] | None:
    """The same from /proc; None where there is none."""
    wanted = tuple(f":{port:04X}" for port in ports)
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:
                for line in lines:
                    if " 0A " in line:  # LISTEN (include/net/tcp_states.h)
                        fields = line.split()
                        if fields[1].endswith(wanted):
                            found.add(f"{fields[1]} {fields[9]}")  # address, inode
        except FileNotFoundError:
            if table == "/proc/net/tcp":
                return None
    return frozenset(found)
