"""`wsdash watch`: it records without a screen, ends cleanly, and goes on in the same history."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.program import Program
from tests.support.servers import free_port
from tests.support.terminal import Terminal
from tests.support.world import World
from wsdash.cli.arguments import parse
from wsdash.config import load_settings, shipped
from wsdash.history.reader import HistoryReader, SeriesSummary
from wsdash.history.store import FILE

OLD = "latency:api-old"


def recorded(program: Program, series: str = OLD) -> SeriesSummary:
    now = time.time()
    with contextlib.closing(HistoryReader(program.state / FILE)) as reader:
        return reader.summary(series, now - 3600, now + 60)


def wait(condition: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(told())
        time.sleep(0.1)


def test_it_records_ends_cleanly_and_goes_on_after_a_kill(world: World) -> None:
    program = world.program
    first = program.start("watch")
    wait(lambda: recorded(program).count >= 3, program.output)
    second = program.run("watch")
    assert second.returncode == 3
    assert "Traceback" not in second.stderr
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    before = recorded(program)

    third = program.start("watch")
    wait(lambda: recorded(program).count > before.count, program.output)
    os.kill(third.pid, signal.SIGKILL)
    third.wait(10)
    kept = recorded(program)
    assert kept.count > before.count

    fourth = program.start("watch")
    wait(lambda: recorded(program).count > kept.count, program.output)
    fourth.send_signal(signal.SIGTERM)
    assert fourth.wait(30) == 0
    assert "Traceback" not in program.output()
    with contextlib.closing(HistoryReader(program.state / FILE)) as reader:
        known = set(reader.series())
    assert {"up:api-old", "memory:data-timescale", "cpu:apps-workspace", "disk:percent"} <= known
    assert f"{OLD}:first-byte" in known
    assert recorded(program, "up:api-old").minimum == 1


def metrics(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def test_screens_attach_to_a_recording_and_leave_it_recording(world: World) -> None:
    program, port = world.program, free_port()
    watching = program.start("watch", "--metrics-port", str(port))
    opened: list[Terminal] = []

    def screen(*words: str) -> Terminal:
        opened.append(Terminal(program.argv(*words), program.env()))
        return opened[-1]

    try:
        wait(lambda: recorded(program).count >= 2, program.output)
        wait(lambda: 'wsdash_probe_up{series="api-old"} 1.0' in metrics(port), program.output)
        operator, monitor = screen("run"), screen("monitor")
        operator.wait_for("OPERATOR")
        monitor.wait_for("MONITOR")
        for one in (operator, monitor):
            one.wait_for("engine live")
            one.wait_for("data-timescale")
            one.wait_for("all there is")
        operator.press("q")
        operator.wait_for("What about the engine?")
        operator.press("q")
        assert operator.wait() == 0
        monitor.signal(signal.SIGKILL)
        monitor.wait()
        before = recorded(program).count
        wait(lambda: recorded(program).count > before + 1, program.output)
        again = screen("run")
        again.wait_for("engine live")
        assert watching.poll() is None
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(30) == 0
        again.wait_for("engine stopped")
        assert metrics(port) == ""
    finally:
        for one in opened:
            one.end()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_systemd_unit_is_valid_and_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "wsdash-watch.service"
    text = shipped("config", "systemd", unit.name).read_text()
    unit.write_text(text.replace("/opt/wsdash/bin/wsdash", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert unit.name not in verified.stderr
    assert verified.returncode == 0
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=True
    )
    exposure = re.search(r"exposure level for wsdash-watch.service: ([\d.]+)", judged.stdout)
    assert exposure is not None
    assert float(exposure[1]) < 3


def words_of_the_compose_service(environment: dict[str, str]) -> list[str]:
    """Its command, with compose's ${NAME:-default} filled in."""
    text = shipped("compose", "docker-compose.watch.yml").read_text()
    words: list[str] = yaml.safe_load(text)["services"]["wsdash-watch"]["command"]
    return [re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: environment.get(m[1], m[2]), word) for word in words]


def words_of_the_systemd_unit(environment: dict[str, str]) -> list[str]:
    """Its command without the program, with ${NAME} filled in: EnvironmentFile= goes before Environment=."""
    text = shipped("config", "systemd", "wsdash-watch.service").read_text().replace("\\\n", " ")
    assert "EnvironmentFile=" in text
    values = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE)) | environment
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert command is not None
    return [re.sub(r"\$\{(\w+)\}", lambda m: values[m[1]], word) for word in command[1].split()[1:]]


@pytest.mark.parametrize("words", [words_of_the_compose_service, words_of_the_systemd_unit])
def test_its_services_serve_metrics_on_loopback_where_the_shipped_settings_look(
    words: Callable[[dict[str, str]], list[str]],
) -> None:
    served = parse(words({}))
    assert served.metrics_host == "127.0.0.1"
    assert load_settings(shipped("config")).metrics.url == f"http://localhost:{served.metrics_port}"
    asked = parse(words({"WSDASH_METRICS_PORT": "4711", "WSDASH_METRICS_HOST": "172.17.0.1"}))
    assert (asked.metrics_port, asked.metrics_host) == (4711, "172.17.0.1")


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_the_compose_service_is_valid(tmp_path: Path) -> None:
    words = ["docker-compose", "-f", str(shipped("compose", "docker-compose.watch.yml")), "config", "-q"]
    environment = os.environ | {"WSDASH_CONFIG": str(tmp_path)}
    checked = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert checked.returncode == 0, checked.stderr
