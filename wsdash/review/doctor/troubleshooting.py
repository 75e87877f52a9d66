"""The guide's troubleshooting list as findings: its four lines, in its order, each with what is so now.

1. check logs, 2. run diagnostics, 3. the procedure of the way back, 4. whom to tell.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections import Counter
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wsdash.config import Settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.run.duty import ManualActions, duties
from wsdash.errors import InputError, WsdashError
from wsdash.model import ContainerReading, ItemKind, ItemState, LogLine, Phase
from wsdash.model.facts import MANIFEST
from wsdash.model.fold import RunView, fold_all
from wsdash.plan import load_plan
from wsdash.review.doctor.finding import Finding
from wsdash.review.limits import LOG_QUIET_SECONDS, LOG_READ_SECONDS
from wsdash.stack.base import Stack
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.sources import unknown

NAMES = ("guide 1: logs", "guide 2: diagnostics", "guide 3: way back", "guide 4: team")
BEGUN = (ItemState.DONE, ItemState.FAILED, ItemState.RUNNING)
HOUR = 3600.0


async def logs(
    settings: Settings, stack: Stack, readings: list[ContainerReading], state: Path | None = None
) -> Finding:
    """Lines with errors that the new stack wrote in the last hour.

    Unwell when one container wrote more of them in the last minute than its alert allows. Before the run of
    `state` has created the tables, the API's health check asks for them in vain: what the API and the new
    database wrote until then is counted for the hour, and speaks against nobody.
    """
    wanted = settings.stack.workspace.containers
    if not any(one.name in wanted and one.state == "running" for one in readings):
        return Finding(NAMES[0], None, "the new stack is not started")
    now, read = time.time(), await asyncio.to_thread(_read_run, state)
    plan = await asyncio.to_thread(load_plan, Path(settings.directory))
    duty = unknown if read is None else duties(settings, plan, lambda: read[0], ManualActions(time.time))
    counters = {name: ErrorCounter(name) for name in wanted}
    hour: Counter[str] = Counter()
    newest = ""
    try:
        lines, whole = await _lines(stack, now - HOUR)
    except WsdashError as error:
        return Finding(NAMES[0], False, error.what, error.remedy, logs_command(settings, ""))
    for line in lines:
        counter = counters.get(line.container)
        if counter is None or not counter.counts(line):
            continue
        if line.at > duty(line.container).blameless_until:
            counter.see(line)
        hour[line.container] += 1
        newest = f"{line.container}: {line.text.strip()[:120]}"
    rates = {name: counter.count(now) for name, counter in counters.items()}
    noisy = [name for name, rate in rates.items() if rate > settings.thresholds.alert_errors_per_minute]
    counts = ", ".join(f"{name} {count:,}" for name, count in hour.most_common())
    seen = f"lines with errors in the last hour: {counts or 'none'}"
    seen += "" if whole else " (at least: there was more than could be read)"
    seen += f"; the newest: {newest}" if newest else ""
    if noisy:
        noise = ", ".join(f"{name} wrote {rates[name]:,} in the last minute" for name in noisy)
        remedy = "read what it says there; the first error is mostly the cause of the rest"
        return Finding(NAMES[0], False, f"{noise}; {seen}", remedy, logs_command(settings, noisy[0]))
    return Finding(NAMES[0], True, seen, more=logs_command(settings, "") if hour else "")


def logs_command(settings: Settings, name: str) -> str:
    """The guide's command for the new stack's logs (of one container), as it is for these settings."""
    workspace = settings.stack.workspace
    if settings.stack.engine != "docker":
        return "wsdash monitor, pane Logs"
    if name:
        return f"docker logs --tail 50 {name}"
    files = " ".join(f"-f {shlex.quote(file)}" for file in (workspace.file, *workspace.overrides))
    return f"docker compose {files} logs --tail 50"


async def _lines(stack: Stack, since: float) -> tuple[list[LogLine], bool]:
    """What was written since then; False when that could not all be read."""
    found: list[LogLine] = []
    deadline = time.monotonic() + LOG_READ_SECONDS
    async with aclosing(stack.follow_logs(since)) as lines:  # type: ignore[type-var]
        while (left := deadline - time.monotonic()) > 0:
            try:
                found.append(await asyncio.wait_for(anext(lines), min(LOG_QUIET_SECONDS, left)))
            except (TimeoutError, StopAsyncIteration):
                return found, time.monotonic() < deadline
    return found, False


def diagnostics(tests: list[Finding]) -> Finding:
    """The guide's connection test as one line; its ten checks are findings of their own."""
    failed = [one for one in tests if one.well is False]
    if failed:
        remedy = "begin with the first of them: those after it mostly follow from it"
        seen = f"{len(failed)} of {len(tests)} checks fail: " + ", ".join(one.name for one in failed)
        return Finding(NAMES[1], False, seen, remedy, failed[0].more)
    if all(one.well is None for one in tests):
        return Finding(NAMES[1], None, "the new stack is not started")
    return Finding(NAMES[1], True, f"all {len(tests)} checks of the connection test hold")


async def way_back(settings: Settings, state: Path | None) -> Finding:
    """Whether the rollback has what it needs: the run's backup, and the document that decides on it."""
    adr = Path(settings.paths.adr) if settings.paths.adr else None
    here = adr is not None and await asyncio.to_thread(adr.is_file)
    document = f"ADR: {adr}" if here else f"the ADR is not at {adr}" if adr else "no ADR is named (paths.adr)"
    begun, backup = await asyncio.to_thread(_of_the_run, settings, state)
    if not begun:
        return Finding(NAMES[2], None, f"nothing was changed yet: there is nothing to take back; {document}")
    more = f"less {shlex.quote(str(adr))}" if here else "wsdash report"
    if backup is None:
        remedy = "wsdash migrate --from backup --until backup takes one, while the source is whole"
        return Finding(NAMES[2], False, f"this run has no backup; {document}", remedy, more)
    if not await asyncio.to_thread(backup.is_file):
        remedy = "put the file back; or wsdash migrate --from backup --until backup takes another"
        return Finding(NAMES[2], False, f"the backup {backup} is gone; {document}", remedy, f"ls -l {backup}")
    seen = f"wsdash rollback takes back {', '.join(begun)}; the backup is {backup}; {document}"
    return Finding(NAMES[2], True, seen, more=more)


def _of_the_run(settings: Settings, state: Path | None) -> tuple[list[str], Path | None]:
    """The migration's items that were done or begun and not taken back, and the manifest of the backup."""
    read = _read_run(state)
    if read is None:
        return [], None
    view, path = read
    plan = load_plan(Path(settings.directory)).in_mode(view.mode)
    migration = [one.id for one in plan.items if one.phase is Phase.MIGRATION and one.kind is ItemKind.AUTO]
    begun = [name for name in migration if view.item(name).touched or view.item(name).state in BEGUN]
    return begun, Path(path) if path else None


def _read_run(state: Path | None) -> tuple[RunView, Any] | None:
    """The state of the run, and its fact about the backup; None where there is no run."""
    if state is None:
        return None
    try:
        reader = JournalReader(state)
    except InputError:
        return None
    try:
        return fold_all(reader.history()), MANIFEST.of(reader.facts())
    finally:
        reader.close()


def team(settings: Settings) -> Finding:
    """Who is notified, and whether that can work from here: a variable that is named must be set."""
    notify, alerts = settings.notify, settings.alerts
    named = {"notify.webhook_env": notify.webhook_env, "alerts.webhook_env": alerts.webhook_env}
    named |= {f"alerts.apprise_env[{n}]": name for n, name in enumerate(alerts.apprise_env)}
    unset = [f"{key}: {name}" for key, name in named.items() if name and not os.environ.get(name)]
    if unset:
        remedy = "export it where wsdash runs, or correct the name in wsdash.yaml"
        return Finding(NAMES[3], False, f"the variable is not set: {', '.join(unset)}", remedy, "env")
    if alerts.apprise_env and find_spec("apprise") is None:
        seen = "alerts.apprise_env names channels, and apprise is not installed"
        return Finding(NAMES[3], False, seen, "pip install 'wsdash[channels]'", "env")
    ways = [f"{key} ({name})" for key, name in named.items() if name]
    ways += ["alerts.webhook_file"] if alerts.webhook_file else []
    for key, command in (("notify", notify.command), ("alerts", alerts.command)):
        ways += [f"{key}.command ({command[0]})"] if command else []
    if not ways:
        seen = "wsdash notifies nobody by itself; a person ticks that the team was notified"
        return Finding(
            NAMES[3], None, seen, "name a webhook or a command under notify and alerts in wsdash.yaml"
        )
    return Finding(NAMES[3], True, f"notified by {', '.join(ways)}")
