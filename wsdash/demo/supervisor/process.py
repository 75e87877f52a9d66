"""One supervised service: started, watched, restarted, stopped, and described in a container's words."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import time
from asyncio.subprocess import SubprocessStreamProtocol
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wsdash.demo.limits import KILL_POLL_SECONDS, KILL_SECONDS, POLL_SECONDS, PUMP_SECONDS, SETTLED_SECONDS
from wsdash.demo.supervisor.guardian import Guardian, clear_leftovers, forget_pid, owner_of, write_pid
from wsdash.demo.supervisor.health import HealthState, find_program, probe
from wsdash.demo.supervisor.hub import EventHub, LogHub
from wsdash.demo.supervisor.service_spec import ServiceSpec
from wsdash.demo.supervisor.tree import MARKER, ProcessId, Usage, identify, members, oom_kills, scan, send
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading
from wsdash.outside.http import client_session
from wsdash.stack.text import LineSplitter

BACKOFF_SECONDS = (0.1, 10.0)
"""The pause before the first restart, doubled each time, and the longest."""


_INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
_PIECE = 65_536


@dataclass
class Surroundings:
    """What services share with their supervisor."""

    directory: Path
    hub: LogHub
    guardian: Guardian
    events: EventHub
    tasks: asyncio.TaskGroup


class _Protocol(SubprocessStreamProtocol):
    """Tells of the process's end at once, even while grandchildren hold its pipes open."""

    def __init__(self) -> None:
        super().__init__(limit=_PIECE, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


SUPERVISOR = secrets.token_hex(6)
"""Who runs this process's services: those of another supervisor are others, and not these restarted."""


class Service:
    """States are Docker's: created, running, restarting, exited."""

    def __init__(self, spec: ServiceSpec, around: Surroundings) -> None:
        self.spec = spec
        self.owner = owner_of(around.directory, spec.name)
        self.state = "created"
        self.health = HealthState(spec)
        self.restarts = 0
        self.exit_code: int | None = None
        self.oom_killed = False
        self.started_at: float | None = None
        self.problem = ""
        self.root: ProcessId | None = None
        self.usage = Usage()
        self._around = around
        self._wanted = False
        self._asked_signal = False
        self._change = asyncio.Lock()
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._run: asyncio.Task[None] | None = None

    # --- what others ask ---

    async def start(self) -> None:
        """Start; returns when the process exists. Nothing happens when it runs already.

        Raises WsdashError when the program cannot be started at all.
        """
        async with self._change:
            if self.state == "running":
                return
            self._wanted = True
            self._settled.clear()
            if self._run is None or self._run.done():
                self.restarts = 0
                self._run = self._around.tasks.create_task(self._live(), name=f"service {self.spec.name}")
            self._wake.set()
            await self._settled.wait()
        if self.state == "exited" and self.root is None and self.problem and self.exit_code in (126, 127):
            raise WsdashError(self.problem, where=self.spec.name, remedy="correct its argv in services.json")

    async def stop(self, kill: bool = False) -> None:
        """Stop gracefully (or at once); returns when all its processes are gone."""
        async with self._change:
            self._wanted = False
            self._wake.set()
            if self._run is None:
                return
            if self.root is not None:
                self._asked_signal = True
                send(self.root, signal.SIGKILL if kill else self.spec.stop_number)
            _, waiting = await asyncio.wait(
                {self._run}, timeout=KILL_POLL_SECONDS if kill else self.spec.grace_seconds
            )
            while waiting:
                await self._kill_members()
                _, waiting = await asyncio.wait({self._run}, timeout=POLL_SECONDS)

    async def restart(self) -> None:
        """Stop, then start."""
        await self.stop()
        await self.start()

    def reading(self) -> ContainerReading:
        """The service as it is now."""
        spec, running = self.spec, self.state == "running"
        health = self.health.status if running or spec.health is None else "unknown"
        return ContainerReading(
            name=spec.name,
            state=self.state,
            health=health,
            group=spec.group,
            image=spec.image,
            ports=spec.ports,
            cpu_percent=self.usage.cpu_percent if running else None,
            memory_bytes=self.usage.memory_bytes if running else None,
            memory_limit_bytes=spec.memory_limit_bytes,
            restarts=self.restarts,
            exit_code=None if running else self.exit_code,
            oom_killed=self.oom_killed,
            started_at=self.started_at,
            detail=self.health.output if running else self.problem,
            instance=SUPERVISOR,
        )

    async def out_of_memory(self) -> None:
        """The service is over its limit: what a kernel does to a container."""
        self.oom_killed = True
        await self._kill_members()

    def environment(self) -> dict[str, str]:
        """Its own variables on a small, clean base: none of ours that may hold a secret."""
        base = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        return base | self.spec.env | {MARKER: self.owner}

    # --- its life ---

    async def _live(self) -> None:
        pause = BACKOFF_SECONDS[0]
        while True:
            began = time.monotonic()
            await asyncio.to_thread(clear_leftovers, self._around.directory, self.spec)
            if not self._wanted or not await self._run_once() or not self._wanted or not self.spec.restart:
                break
            if time.monotonic() - began >= SETTLED_SECONDS:
                pause = BACKOFF_SECONDS[0]
            self._change_state("restarting")
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            pause = min(pause * 2, BACKOFF_SECONDS[1])
            if not self._wanted:
                break
            self.restarts += 1
        self._change_state("exited")
        self._settled.set()

    async def _run_once(self) -> bool:
        """Run the process to its end; False when it could not be started."""
        try:
            transport, protocol = await self._spawn()
        except (OSError, ValueError) as error:
            self.exit_code = 126 if isinstance(error, PermissionError) else 127
            self.problem = f"cannot start {self.spec.argv[0]}: {getattr(error, 'strerror', None) or error}"
            await self._around.hub.put(self.spec.name, "wsdash", [self.problem])
            return False
        pumps = [
            self._around.tasks.create_task(self._pump(stream, reader))
            for stream, reader in (("stdout", protocol.stdout), ("stderr", protocol.stderr))
            if reader is not None
        ]
        watcher = self._around.tasks.create_task(self._watch_health())
        await protocol.exited.wait()
        watcher.cancel()
        await self._kill_members()
        _, unfinished = await asyncio.wait(pumps, timeout=PUMP_SECONDS)
        for pump in unfinished:
            pump.cancel()
        code = transport.get_returncode()
        transport.close()
        if code == -signal.SIGKILL and not self._asked_signal and self.usage.at:
            self.oom_killed |= await asyncio.to_thread(oom_kills) > self.usage.oom_kills
        self._note_end(code if code is not None else -1)
        return True

    async def _spawn(self) -> tuple[asyncio.SubprocessTransport, _Protocol]:
        directory = self.spec.cwd or str(self._around.directory)
        environment = self.environment()
        program = find_program(self.spec.argv[0], environment.get("PATH"))
        if program is None:
            raise FileNotFoundError(2, "no such program")
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            _Protocol,
            *dying_with_parent((program, *self.spec.argv[1:]), self.spec.stop_signal),
            stdin=asyncio.subprocess.DEVNULL,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
        self.root = identify(transport.get_pid()) or ProcessId(transport.get_pid(), -1.0)
        self._around.guardian.track(
            self.spec.name, self.root, self.spec.stop_number, self.spec.grace_seconds, self.owner
        )
        with suppress(OSError):  # a full disk: the guardian still knows of it
            await asyncio.to_thread(write_pid, self._around.directory, self.spec.name, self.root)
        self.health, self.usage = HealthState(self.spec), Usage()
        self.started_at, self.problem, self.oom_killed = time.time(), "", False
        self._asked_signal = False
        self._change_state("running")
        self._settled.set()
        if not self._wanted:  # asked to stop while it was being started
            self._asked_signal = True
            send(self.root, self.spec.stop_number)
        return transport, protocol

    async def _pump(self, stream: str, reader: asyncio.StreamReader) -> None:
        splitter = LineSplitter()
        while piece := await reader.read(_PIECE):
            await self._around.hub.put(self.spec.name, stream, splitter.feed(piece))
        await self._around.hub.put(self.spec.name, stream, splitter.finish())

    async def _watch_health(self) -> None:
        if self.spec.health is None:
            return
        environment = self.environment()
        async with client_session() as session:
            while True:
                if self.health.take(await probe(self.spec, environment, session)):
                    self._around.events.emit(self.spec.name, "health", self.health.status)
                await asyncio.sleep(self.health.pause)

    async def _kill_members(self) -> None:
        """SIGKILL to every process of the service, as when a container's first process ended."""
        root = self.root
        deadline = time.monotonic() + KILL_SECONDS
        while root is not None and time.monotonic() < deadline:
            table = await asyncio.to_thread(scan)
            rows = await asyncio.to_thread(members, root, table, None, self.usage.known)
            if not rows:
                return
            for row in rows:
                send(row.id, signal.SIGKILL)
            await asyncio.sleep(KILL_POLL_SECONDS)

    def _note_end(self, code: int) -> None:
        self.exit_code = code if code >= 0 else 128 - code
        if code < 0:
            by = "" if self._asked_signal or self.oom_killed else ", which wsdash did not send"
            self.problem = f"ended by {signal.Signals(-code).name}{by}"
        else:
            self.problem = f"ended with exit code {code}"
        if self.oom_killed:
            self.problem += ": out of memory"
        self.root = None
        self._around.guardian.untrack(self.spec.name)
        with suppress(OSError):
            forget_pid(self._around.directory, self.spec.name)
        self._around.events.emit(self.spec.name, "die", self.problem)

    def _change_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._around.events.emit(self.spec.name, "state", state)


def dying_with_parent(argv: tuple[str, ...], stop_signal: str) -> list[str]:
    """argv under a setpriv that has the kernel send `stop_signal` when the supervisor dies.

    A setpriv that argv begins with already is given the option itself: set before its change of user, the
    signal would be forgotten. Without setpriv the guardian alone does this work.
    """
    option = f"--pdeathsig={stop_signal}"
    if Path(argv[0]).name == "setpriv":
        return [argv[0], option, *argv[1:]]
    setpriv = shutil.which("setpriv")
    return [setpriv, option, "--", *argv] if setpriv else list(argv)
