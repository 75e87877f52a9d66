"""Which process made something on a server, and whether it may still be at work."""

from __future__ import annotations

import os
import socket

import msgspec
import psutil


class Owner(msgspec.Struct, frozen=True):
    """A process: its host, pid, and when it started (epoch seconds), because pids are used again."""

    host: str
    pid: int
    started: float

    @classmethod
    def ourselves(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    @property
    def here(self) -> bool:
        """Whether it is (or was) of this host: only then can we know that it is dead."""
        return self.host == socket.gethostname()

    def may_live(self) -> bool:
        """Whether it may still be at work; a process of another host always may."""
        if not self.here:
            return True
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 2
        except (psutil.NoSuchProcess, OverflowError, ValueError):
            return False
