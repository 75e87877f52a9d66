"""Every option whose effect depends on where the run stands, in every state of a run: it acts or is refused.

A cell is the exit code of the command in that state, in a world where nothing answers: 2 where the command or
its option would do nothing there, else 0, or 1 where it began and the world failed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from wsdash.cli import main
from wsdash.config import read_yaml, shipped
from wsdash.engine.journal.writer import Journal
from wsdash.engine.operator.lock import OperatorLock
from wsdash.model import (
    AnyEvent,
    EngineStopped,
    ItemChanged,
    ItemIntended,
    ItemState,
    Outcome,
    Phase,
    RunFinished,
    RunStarted,
)
from wsdash.model.facts import ROLLING_BACK
from wsdash.plan import load_plan

PLAN = [item for item in load_plan(None).items if item.phase is not Phase.POST]
PRE = [item.id for item in PLAN if item.phase is Phase.PRE]
MIGRATION = [item.id for item in PLAN if item.phase is Phase.MIGRATION]
ENDED = EngineStopped("nothing more to do")


def done(items: Iterable[str]) -> list[AnyEvent]:
    return [event for name in items for event in (ItemIntended(name, "act", 1), _is(name, ItemState.DONE))]


def undone(items: Iterable[str]) -> list[AnyEvent]:
    return [_is(name, ItemState.UNDONE) for name in reversed(list(items))]


def _is(name: str, state: ItemState) -> AnyEvent:
    return ItemChanged(name, state, "as seen")


BEGUN: list[AnyEvent] = [RunStarted("r", "offline", "here", 1, False, "main")]
MIGRATED = [*BEGUN, *done(PRE + MIGRATION), RunFinished(Outcome.MIGRATED, ""), ENDED]
STATES: dict[str, list[AnyEvent]] = {
    "begun": [*BEGUN, ENDED],
    "killed": [*BEGUN, *done(PRE + MIGRATION[:2]), ItemIntended(MIGRATION[2], "act", 1)],
    "failed": [
        *BEGUN,
        *done(PRE + MIGRATION[:3]),
        ItemIntended("migrate-data", "act", 1),
        _is("migrate-data", ItemState.FAILED),
        RunFinished(Outcome.FAILED, "migrate-data failed"),
        ENDED,
    ],
    "migrated": MIGRATED,
    "half back": [*MIGRATED, *undone(MIGRATION[-3:])],
    "rolled back": [*MIGRATED, *undone(PRE + MIGRATION), RunFinished(Outcome.ROLLED_BACK, ""), ENDED],
}
NAMES = ("none", *STATES, "held")
"""none: there is no run. held: another session holds it, alive."""

#                                                        none begun killed failed migr. half back held
CELLS: dict[str, str] = {
    "migrate --yes --until backup":                     "1    1     0      0      0     1    1    3",
    "migrate --yes --force":                            "1    1     1      1      2     2    1    3",
    "migrate --yes --force --until init-neon":          "2    2     2      2      2     2    2    3",
    "migrate --yes --force --from migrate-data":        "1    1     1      1      1     1    1    3",
    "migrate --yes --abandon-rollback":                 "2    2     2      2      2     1    2    3",
    "migrate --dry-run --yes":                          "1    1     1      1      1     1    1    1",
    "rollback --yes":                                   "2    0     1      1      1     1    0    3",
    "rollback --yes --restore BACKUP":                  "2    2     1      1      1     1    2    3",
    "report --ics FILE":                                "2    2     2      2      0     2    2    2",
    "decide --day 7 --no-go --phrase AGAINST --who A --why w": "2 2 2     2      0     2    2    3",
    "decide --criterion team-comfortable --who A":      "2    2     2      2      0     2    2    3",
    "confirm review-adr --who A":                       "2    0     0      0      0     0    0    3",
    "confirm stop-old --who A":                         "2    2     2      2      2     2    2    3",
    "skip backup --who A --why w":                      "2    0     2      2      2     0    0    3",
    "skip benchmarks --who A --why w":                  "2    0     0      0      0     0    0    3",
    "finish":                                           "2    1     1      1      1     1    1    1",
    "status":                                           "2    0     0      1      0     0    0    0",
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world that does not answer: every port is refused at once."""
    directory = tmp_path / "config"
    directory.mkdir()
    settings = read_yaml(shipped("config", "wsdash.yaml"))
    for side in ("source", "target"):
        settings[side] |= {"host": "127.0.0.1", "port": 1}
    settings["api"] |= {"old": "http://127.0.0.1:1", "new": "http://127.0.0.1:2"}
    settings["endpoints"] = {}
    settings["stack"] |= {"engine": "local", "supervisor": str(tmp_path / "nowhere")}
    settings["paths"] |= {"backups": str(tmp_path / "backups")}
    (directory / "wsdash.yaml").write_text(yaml.safe_dump(settings))
    (directory / "plan.yaml").write_bytes(shipped("config", "plan.yaml").read_bytes())
    monkeypatch.setenv("WSDASH_SOURCE_PASSWORD", "-")
    monkeypatch.setenv("WSDASH_TARGET_PASSWORD", "-")
    return directory


async def begin(state: Path, name: str) -> None:
    """A run's journal as such a run leaves it."""
    journal = Journal.open(state)
    for event in STATES.get(name, STATES["begun"]):
        await journal.record(event)
    if name == "half back":
        await journal.put(ROLLING_BACK, True)
    await journal.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("words", CELLS)
def test_in_every_state_an_option_acts_or_is_refused(
    words: str,
    name: str,
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # what a backup's manifest holds is another test's
    monkeypatch.setattr("wsdash.cli.running.headless.load_manifest", lambda path: None)
    state = tmp_path / "state"
    lock = None
    if name != "none":
        asyncio.run(begin(state, name))
    if name == "held":
        lock = OperatorLock.acquire(state, purpose="restore")
    asked = [str(tmp_path / word.lower()) if word in ("BACKUP", "FILE") else word for word in words.split()]
    try:
        code = main([*asked, "--state", str(state), "--config", str(config)])
    finally:
        if lock is not None:
            lock.release()
    told = capsys.readouterr()
    wanted = dict(zip(NAMES, map(int, CELLS[words].split()), strict=True))
    assert code == wanted[name], told.out + told.err
    assert "Traceback" not in told.out + told.err
    if code == 2:
        assert told.err.startswith("wsdash: ")
        assert "remedy:" in told.err


def test_a_dry_run_tells_what_yes_would_tick(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["migrate", "--dry-run", "--config", str(config), "--state", str(tmp_path / "state")])
    assert "--yes would tick it" not in capsys.readouterr().out
    main(["migrate", "--dry-run", "--yes", "--config", str(config), "--state", str(tmp_path / "state")])
    told = capsys.readouterr().out
    assert told.count("--yes would tick it") == 2
    assert "waits for a person" in told, "what comes after the migration is nobody's to tick by --yes"
