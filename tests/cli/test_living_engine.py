"""Commands on a run whose engine is alive: they go through it, with its configuration, or say why not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.session import Session, history, states, view
from tests.engine.small_world import PLAN, MakeFiles, Small
from wsdash.cli import main
from wsdash.config import shipped
from wsdash.engine.operator.launch import engine_config
from wsdash.engine.operator.lock import OperatorLock, living_holder
from wsdash.model import ItemState, RunStarted


@pytest.fixture
async def living(tmp_path: Path) -> AsyncIterator[Session]:
    """An engine that waits for somebody to ask it something."""
    async with Session(Small(tmp_path)) as session:
        yield session


async def wsdash(session: Session, *words: str) -> int:
    """The command's exit code; its own event loop needs a thread of its own."""
    return await asyncio.to_thread(main, [*words, "--state", str(session.small.state)])


def another(small: Small) -> Path:
    """Other settings: a copy in which the old service has another port."""
    directory = small.directory / "another"
    shutil.copytree(small.config, directory)
    file = directory / "wsdash.yaml"
    file.write_text(file.read_text().replace("3201", "3999"))
    return directory


def with_the_guides_plan(config: Path) -> Path:
    """That one is bound to the shipped steps, which a command of its own works with."""
    shutil.copy(shipped("config", "plan.yaml"), config / "plan.yaml")
    return config


async def test_a_person_confirms_and_skips_through_the_engine(
    living: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await wsdash(living, "confirm", "review", "--who", "Ana", "--note", "read twice") == 0
    assert capsys.readouterr().out == "review: confirmed, says Ana\n"
    seen = view(living.small).item("review")
    assert (seen.state, seen.who, seen.note) == (ItemState.DONE, "Ana", "read twice")
    assert await wsdash(living, "skip", "backup", "--who", "Ana", "--why", "there is one") == 0
    seen = view(living.small).item("backup")
    assert (seen.state, seen.note) == (ItemState.SKIPPED, "there is one")


async def test_a_test_is_tried_by_the_engine_that_records_which_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path)
    (small.config / "testing.yaml").write_text(
        "tests: [{id: test-list, group: functional, kind: auto, title: List items}]"
    )
    session = Session(small)
    steps = small.options().steps
    assert steps is not None
    session.changes = {"steps": steps | {"test-list": MakeFiles("test-list", small.work)}}
    async with session:
        held = living_holder(small.state)
        assert held is not None
        assert await wsdash(session, "test", "--only", "test-list") == 0
        assert "4 of 4 files" in capsys.readouterr().out
        assert states(small)["test-list"] == "done"
        assert (await session.send("ping")).text == "idle"
        now = living_holder(small.state)
        assert now is not None
        assert (now.pid, now.host) == (held.pid, held.host)
        small.put("refuse-test-list", "no list")
        for part in small.work.glob("test-list.*"):
            part.unlink()
        assert await wsdash(session, "test", "--only", "test-list") == 1
        assert states(small)["test-list"] == "failed"
    assert sum(isinstance(event, RunStarted) for event in history(small)) == 1


async def test_what_the_engine_refuses_is_told_and_recorded_nowhere(
    living: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await wsdash(living, "confirm", "backup", "--who", "Ana") == 2
    assert "backup is automatic" in capsys.readouterr().err
    assert await wsdash(living, "confirm", "no-such-item", "--who", "Ana") == 2
    assert "no-such-item" in capsys.readouterr().err
    assert states(living.small) == {}


async def test_that_an_item_does_not_hold_is_said_through_the_engine(living: Session) -> None:
    assert await wsdash(living, "confirm", "review", "--who", "Ana", "--note", "no", "--fails") == 0
    assert view(living.small).item("review").state is ItemState.FAILED


ASKING = [
    ("run",),
    ("rehearse",),
    ("confirm", "review", "--who", "w"),
    ("skip", "review", "--who", "w", "--why", "y"),
    ("decide", "--day", "1", "--go", "--who", "w", "--why", "y"),
    ("container", "restart", "workspace-api"),
    ("test",),
]


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
async def test_another_configuration_than_the_engines_is_refused(
    living: Session, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    other = another(living.small)
    assert await wsdash(living, *words, "--config", str(other)) == 2
    told = capsys.readouterr().err
    assert f"works with another configuration: {living.small.config}" in told
    assert "remedy:" in told
    assert states(living.small) == {}


async def test_the_engines_own_configuration_may_be_named_by_any_path(living: Session) -> None:
    link = living.small.directory / "link"
    link.symlink_to(living.small.config)
    assert await wsdash(living, "confirm", "review", "--who", "w", "--config", str(link)) == 0


async def test_a_file_that_was_changed_after_the_engine_read_it_is_named(
    living: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("confirm", "review", "--who", "w")
    assert await wsdash(living, *words) == 0
    assert capsys.readouterr().err == ""
    file = living.small.config / "wsdash.yaml"
    file.write_text(file.read_text() + "# later\n")
    assert await wsdash(living, *words, "--config", str(living.small.config)) == 0
    told = capsys.readouterr().err
    assert told == f"wsdash: {file} was changed after the engine read it: it counts from its next start on\n"


async def test_without_one_a_command_takes_the_engines(
    living: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine_config(living.small.state) == living.small.config.resolve()
    assert await wsdash(living, "status") == 0
    shown = [line.split()[2] for line in capsys.readouterr().out.splitlines() if " pending " in line]
    assert shown == [line.split("id: ")[1].split(",")[0] for line in PLAN.splitlines() if "id: " in line]


async def test_what_a_dead_engine_worked_with_binds_nobody(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with Session(small) as session:
        await session.idle()
    assert engine_config(small.state) is None
    other = with_the_guides_plan(another(small))
    words = ["confirm", "review-adr", "--who", "w", "--state", str(small.state), "--config", str(other)]
    assert await asyncio.to_thread(main, words) == 0


def test_a_rehearsal_of_a_run_that_another_command_holds_is_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path)
    config = with_the_guides_plan(another(small))
    with OperatorLock.held(small.state):
        assert main(["rehearse", "--state", str(small.state), "--config", str(config)]) == 3
    told = capsys.readouterr().err
    assert "another operator holds this run: pid" in told
    assert "remedy:" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--config", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--rounds", "0"], "--rounds"),
        (["--rounds", "many"], "--rounds"),
    ],
)
def test_bad_input_to_a_rehearsal_is_exit_code_2(
    tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["rehearse", "--state", str(tmp_path), *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    told = capsys.readouterr()
    assert says in told.err
    assert not told.out
