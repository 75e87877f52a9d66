"""The supervisor: starting, stopping, restarting, and what a crash of its own leaves."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.stack.world import FOREVER, World, quiet, service, sleeper, world_of
from tests.support.processes import is_gone, until
from wsdash.demo.supervisor.guardian import owner_of, write_pid
from wsdash.demo.supervisor.main import ask, shut_down, spawn
from wsdash.demo.supervisor.tree import MARKER, ProcessId, identify
from wsdash.errors import InputError, WsdashError
from wsdash.stack.local.client import supervisor_socket

PRINTS_CHILD = (
    "import subprocess, sys\n"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(p.pid, flush=True)\n"
)
STUBBORN = "import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\n"


async def test_a_started_service_runs_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        assert (await world.reading("a")).state == "created"
        await world.stack.start(["a"], quiet)
        pid = await world.pid("a")
        assert (await world.reading("a")).state == "running"
        await world.stack.stop(["a"], quiet)
        reading = await world.reading("a")
        assert (reading.state, reading.exit_code) == ("exited", 128 + signal.SIGTERM)
        assert is_gone(pid)


async def test_a_stop_reaches_children_and_grandchildren(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", PRINTS_CHILD + FOREVER)) as world:
        await world.stack.start(["a"], quiet)
        child = int(await _first_line(world, "a"))
        assert not is_gone(child)
        await world.stack.stop(["a"], quiet)
        assert is_gone(child)


async def test_a_child_that_outlives_its_parent_ends_with_the_service(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", PRINTS_CHILD, restart=False)) as world:
        await world.act("a", "start")
        child = int(await _first_line(world, "a"))
        await until(lambda: _state_is(world, "a", "exited"))
        assert is_gone(child)
        assert (await world.reading("a")).exit_code == 0


async def test_a_service_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", STUBBORN + FOREVER, grace_seconds=0.3)) as world:
        await world.stack.start(["a"], quiet)
        await _first_line(world, "a")
        await world.stack.stop(["a"], quiet)
        assert (await world.reading("a")).exit_code == 128 + signal.SIGKILL


async def test_a_crashed_service_is_restarted_and_counted(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        for restarts in (1, 2):
            os.kill(await world.pid("a"), signal.SIGKILL)

            async def came_back(restarts: int = restarts) -> bool:
                reading = await world.reading("a")
                return reading.restarts == restarts and reading.state == "running"

            await until(came_back)


async def test_a_service_stopped_on_purpose_is_not_restarted(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        await world.stack.stop(["a"], quiet)
        await asyncio.sleep(0.5)
        reading = await world.reading("a")
        assert (reading.state, reading.restarts) == ("exited", 0)


async def test_a_killed_service_stays_down(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        await world.act("a", "kill")
        await asyncio.sleep(0.3)
        reading = await world.reading("a")
        assert (reading.state, reading.exit_code) == ("exited", 137)


async def test_a_restart_gives_a_new_process(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        before = await world.pid("a")
        await world.act("a", "restart")
        assert await world.pid("a") != before
        assert is_gone(before)


async def test_sigkill_from_outside_is_told_as_such_and_not_as_out_of_memory(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", restart=False)) as world:
        await world.stack.start(["a"], quiet)
        os.kill(await world.pid("a"), signal.SIGKILL)
        await until(lambda: _state_is(world, "a", "exited"))
        reading = await world.reading("a")
        assert (reading.exit_code, reading.oom_killed) == (137, False)
        assert "SIGKILL, which wsdash did not send" in reading.detail


async def test_a_service_over_its_memory_limit_is_killed_as_out_of_memory(tmp_path: Path) -> None:
    eats = "import time\nkept = b'x' * 60_000_000\ntime.sleep(60)"
    limited = service("a", eats, restart=False, memory_limit_bytes=40_000_000)
    async with world_of(tmp_path, limited) as world:
        await world.act("a", "start")
        await until(lambda: _state_is(world, "a", "exited"))
        reading = await world.reading("a")
        assert reading.oom_killed
        assert "out of memory" in reading.detail


async def test_a_program_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a", argv=["/nowhere/program"])) as world:
        with pytest.raises(WsdashError, match="cannot start /nowhere/program"):
            await world.stack.start(["a"], quiet)
        assert (await world.reading("a")).exit_code == 127


async def test_cpu_and_memory_cover_the_children(tmp_path: Path) -> None:
    child = "x = b'x' * 50_000_000\nwhile True: pass"
    burn = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    async with world_of(tmp_path, service("a", burn)) as world:
        await world.stack.start(["a"], quiet)

        async def is_measured() -> bool:
            reading = await world.reading("a")
            return (reading.cpu_percent or 0) > 5 and (reading.memory_bytes or 0) > 50_000_000

        await until(is_measured)


async def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    """Not even a service that ignores its stop signal, nor a child of its own."""
    async with world_of(
        tmp_path, service("a", PRINTS_CHILD + FOREVER), service("b", STUBBORN + FOREVER)
    ) as world:
        world.describe(
            service("a", PRINTS_CHILD + FOREVER), service("b", STUBBORN + FOREVER, grace_seconds=0.5)
        )
        await spawn(tmp_path)
        await world.stack.start(["a", "b"], quiet)
        child = int(await _first_line(world, "a"))
        await _first_line(world, "b")
        pids = [child, await world.pid("a"), await world.pid("b")]
        await world.kill_supervisor()
        await until(lambda: all(is_gone(pid) for pid in pids))


async def test_the_kernel_ends_services_when_supervisor_and_guardian_are_killed_together(
    tmp_path: Path,
) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        pid = await world.pid("a")
        supervisor = await world.supervisor_pid()
        (guardian,) = [child.pid for child in psutil.Process(supervisor).children() if child.pid != pid]
        for victim in (guardian, supervisor):
            os.kill(victim, signal.SIGKILL)
        await until(lambda: is_gone(pid), 5)


async def test_a_new_supervisor_restores_exactly_what_should_run(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a"), service("b"), service("c")) as world:
        await world.stack.start(["a", "b"], quiet)
        await world.stack.stop(["b"], quiet)
        before = await world.pid("a")
        await world.kill_supervisor()
        await spawn(tmp_path)
        await until(lambda: _state_is(world, "a", "running"))
        assert await world.pid("a") != before
        assert is_gone(before)
        assert (await world.reading("b")).state == "exited"
        assert (await world.reading("c")).state == "created"


async def test_what_a_dead_supervisor_left_is_stopped_before_the_service_starts(tmp_path: Path) -> None:
    """Here the old process survives even guardian and kernel: only its pid file tells of it."""
    left = sleeper({MARKER: owner_of(tmp_path, "a")})
    root = identify(left.pid)
    assert root is not None
    write_pid(tmp_path, "a", root)
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        assert await asyncio.to_thread(left.wait, 5) != 0
        assert await world.pid("a") != left.pid


async def test_a_pid_file_whose_pid_is_another_process_now_harms_nobody(tmp_path: Path) -> None:
    bystander = sleeper({})
    try:
        write_pid(tmp_path, "a", ProcessId(bystander.pid, 1.0))
        async with world_of(tmp_path, service("a")) as world:
            await world.stack.start(["a"], quiet)
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_sigterm_stops_all_and_what_should_run_is_kept(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        pid, supervisor = await world.pid("a"), await world.supervisor_pid()
        os.kill(supervisor, signal.SIGTERM)
        await until(lambda: is_gone(supervisor))
        assert is_gone(pid)
        await spawn(tmp_path)
        await until(lambda: _state_is(world, "a", "running"))


async def test_dependents_are_stopped_first_at_the_end(tmp_path: Path) -> None:
    notes = "import signal, sys, time\ndef end(*_):\n  print('ended', flush=True)\n  sys.exit()\n"
    notes += "signal.signal(15, end)\nprint('ready', flush=True)\nwhile True: time.sleep(60)"
    async with world_of(
        tmp_path, service("base", notes), service("top", notes, depends_on=["base"])
    ) as world:
        await world.stack.start(["top"], quiet)
        for name in ("base", "top"):
            await _first_line(world, name)
        await shut_down(tmp_path)
        await spawn(tmp_path)
        ended = {
            name: next(line.at for line in (await world.detail(name)).lines if line.text == "ended")
            for name in ("base", "top")
        }
        assert ended["top"] < ended["base"]


async def test_a_forgotten_world_ends_with_its_lease(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a"), lease=1.0) as world:
        await world.stack.start(["a"], quiet)
        pid, supervisor = await world.pid("a"), await world.supervisor_pid()
        await until(lambda: is_gone(supervisor) and is_gone(pid), 10)


async def test_a_used_world_outlives_its_lease(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a"), lease=0.6) as world:
        supervisor = await world.supervisor_pid()
        for _ in range(15):
            await world.stack.readings()
            await asyncio.sleep(0.1)
        assert not is_gone(supervisor)


async def test_one_directory_has_one_supervisor(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        first = await world.supervisor_pid()
        await spawn(tmp_path)
        again = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wsdash.demo.supervisor.main", str(tmp_path)
        )
        assert await asyncio.wait_for(again.wait(), 90) == 0
        assert await world.supervisor_pid() == first


async def test_spawned_side_by_side_there_is_still_one(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.kill_supervisor()
        await asyncio.gather(*(spawn(tmp_path) for _ in range(3)))
        words = ["-m", "wsdash.demo.supervisor.main", str(tmp_path)]
        running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
        assert len([line for line in running if line[1:] == words]) == 2  # and its guardian


async def test_a_changed_services_file_is_taken_up(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        world.describe(service("a"), service("b"))
        await spawn(tmp_path)
        assert [reading.name for reading in await world.stack.readings()] == ["a", "b"]


async def test_the_socket_is_ours_alone(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")):
        assert stat.S_IMODE(supervisor_socket(tmp_path).stat().st_mode) == 0o600


async def test_services_do_not_inherit_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSDASH_SOURCE_PASSWORD", "hunter2")
    code = (
        "import os\nprint(os.environ.get('WSDASH_SOURCE_PASSWORD'), os.environ['MINE'], flush=True)\n"
        + FOREVER
    )
    async with world_of(tmp_path, service("a", code, env={"MINE": "yes"})) as world:
        await world.stack.start(["a"], quiet)
        assert await _first_line(world, "a") == "None yes"


async def test_shut_down_clears_what_is_left_without_a_supervisor(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        pid = await world.pid("a")
        await world.kill_supervisor()
        await shut_down(tmp_path)
        assert is_gone(pid)
        assert await ask(tmp_path) is None


async def test_events_tell_of_a_death(tmp_path: Path) -> None:
    async with world_of(tmp_path, service("a")) as world:
        await world.stack.start(["a"], quiet)
        connector = aiohttp.UnixConnector(str(supervisor_socket(tmp_path)))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get("http://x/events") as answer,
        ):
            await answer.content.readline()
            os.kill(await world.pid("a"), signal.SIGKILL)
            first = await asyncio.wait_for(answer.content.readline(), 90)
        assert b'"name":"a"' in first
        assert b'"what":"die"' in first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"depends_on": ["ghost"]}, "depends on ghost"),
        ({"depends_on": ["a"]}, "in a circle"),
        ({"stop_signal": "SIGNONE"}, "unknown stop_signal"),
        ({"name": "../a"}, "is no service name"),
        ({"ports": ["x"]}, "Expected `int`"),
        ({"colour": "red"}, "unknown field"),
    ],
)
async def test_a_bad_services_file_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    world = World(tmp_path)
    world.describe(service("a") | change)
    with pytest.raises(InputError, match=words) as caught:
        await spawn(tmp_path)
    assert caught.value.where == str(tmp_path / "services.json")


async def _state_is(world: World, name: str, state: str) -> bool:
    return (await world.reading(name)).state == state


async def _first_line(world: World, name: str) -> str:
    async def has_line() -> bool:
        return bool((await world.detail(name)).lines)

    await until(has_line)
    return (await world.detail(name)).lines[0].text


async def test_a_terminal_that_closes_ends_neither_supervisor_nor_service(tmp_path: Path) -> None:
    tells = "import signal\nprint(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, flush=True)\n" + FOREVER
    async with world_of(tmp_path, service("a", tells)) as world:
        os.kill(await world.supervisor_pid(), signal.SIGHUP)
        await world.stack.start(["a"], quiet)
        assert await _first_line(world, "a") == "True"
