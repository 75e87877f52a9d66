"""Nothing is listed for removal unless the migration stands, the world agrees and a backup was read back."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import msgspec
import pytest

from tests.review.migrated import migrated
from wsdash.config import load_settings
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import BackupTaken, DecisionRecorded, OldPortClient, OldPortClients
from wsdash.review import finish
from wsdash.review.finish import finishing
from wsdash.review.story import KnownStory, read_story
from wsdash.steps.serving import ServingSides

DAY = 86_400.0
YES = [
    ServingSides("The new stack serves", True, "it does"),
    ServingSides("Nothing was written", True, "it was not"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("finish"))


def after(known: KnownStory, days: float, *decided: tuple[int, bool, str, tuple[str, ...]]) -> KnownStory:
    """The run so many days later, with decisions (day, go, what was recommended, despite what)."""
    now = (known.story.migrated_at or 0.0) + days * DAY
    made = tuple((now, DecisionRecorded(d, go, "Ana", "calm", says, why)) for d, go, says, why in decided)
    content = b"-- a backup\n"
    path = known.state / "backup.sql"
    path.write_bytes(content)
    sha = hashlib.sha256(content).hexdigest()
    backup = BackupTaken(str(path), len(content), sha, {"items": 1}, restore_proven=True)
    run = msgspec.structs.replace(known.story.run, decisions=made)
    story = msgspec.structs.replace(known.story, run=run, backup=backup)
    found = tuple(msgspec.structs.replace(day, recommendation="go") for day in known.judged.days)
    judged = msgspec.structs.replace(known.judged, days=found)
    return dataclasses.replace(known, story=story, judged=judged, now=now)


GO = ((7, True, "go", ()), (14, True, "go", ()))


def finished(
    monkeypatch: pytest.MonkeyPatch,
    known: KnownStory,
    asked: list[ServingSides],
    old: list[float] | None = None,
    stray: float = 0.0,
) -> tuple[bool, str]:
    """What is said when the world answers so; old: days at which the old service still answered a probe;
    stray: whether it served beside the new one."""
    began = known.story.migrated_at or 0.0
    path = known.state / FILE
    path.unlink(missing_ok=True)
    writer = HistoryWriter.open(path)
    for minute in range(int((known.now - began) // 60)):
        writer.add("latency:api-new", began + minute * 60, 0.02)
        writer.add("stray:api-old", began + minute * 60, stray)
    for day in old or ():
        writer.add("latency:api-old", began + day * DAY, 0.02)
    writer.flush()
    writer.close()

    async def answers(*_: object) -> list[ServingSides]:
        return asked

    monkeypatch.setattr(finish, "read_story", lambda *_: known)
    monkeypatch.setattr(finish, "_asked", answers)
    told = finishing(known.state, known.settings)
    return told.approved, "\n".join(told.lines)


def test_all_that_would_go_is_listed_when_all_is_yes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    approved, text = finished(monkeypatch, after(read_story(run), 14.0, *GO), YES)
    assert approved, text
    assert "DROP SCHEMA workspace CASCADE" in text


NO = [dataclasses.replace(YES[0], holds=False, text="the old API answers"), YES[1]]
UNKNOWN = [YES[0], dataclasses.replace(YES[1], holds=None, text="the source could not be read")]


@pytest.mark.parametrize(
    ("decided", "days", "asked", "old", "words"),
    [
        ((), 14.0, YES, (), "Go on Day 7: nothing is decided"),
        (GO[:1], 14.0, YES, (), "Go on Day 14: nothing is decided"),
        (GO[1:], 14.0, YES, (), "Go on Day 7: nothing is decided"),
        ((GO[0], (14, False, "go", ())), 14.0, YES, (), "Go on Day 14: no-go by Ana"),
        (((7, True, "no-go", ()), GO[1]), 14.0, YES, (), ""),
        (GO, 6.0, YES, (), "the migration ended later than that"),
        (GO, 14.0, NO, (), "the old API answers"),
        (GO, 14.0, UNKNOWN, (), "the source could not be read"),
        (GO, 14.0, YES, (13.5,), "it answered 1 probes"),
    ],
)
def test_one_answer_that_is_not_yes_lists_nothing(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    decided: tuple[tuple[int, bool, str, tuple[str, ...]], ...],
    days: float,
    asked: list[ServingSides],
    old: tuple[float, ...],
    words: str,
) -> None:
    approved, text = finished(monkeypatch, after(read_story(run), days, *decided), asked, list(old))
    if not words:  # a go that was given on other evidence still stands while the evidence says go now
        assert approved
        return
    assert not approved
    assert words in text
    assert "DROP" not in text
    assert "Remove nothing." in text


def test_a_go_whose_evidence_turned_is_to_be_decided_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = after(read_story(run), 14.0, *GO)
    turned = tuple(msgspec.structs.replace(day, recommendation="no-go") for day in known.judged.days)
    known = dataclasses.replace(known, judged=msgspec.structs.replace(known.judged, days=turned))
    approved, text = finished(monkeypatch, known, YES)
    assert not approved
    assert "the evidence says no-go; it said go when that was decided: decide again" in text


def test_a_backup_that_is_not_the_one_that_was_read_back_is_none(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = after(read_story(run), 14.0, *GO)
    (known.state / "backup.sql").write_text("something else")
    approved, text = finished(monkeypatch, known, YES)
    assert not approved
    assert "is not what was read back" in text
    (known.state / "backup.sql").unlink()
    assert "cannot be read: No such file" in finished(monkeypatch, known, YES)[1]


def test_a_world_that_cannot_be_asked_is_no_yes(tmp_path: Path) -> None:
    import asyncio

    settings = load_settings(None)
    looks = asyncio.run(finish._asked(settings, {"verify.result": {"holds": True, "source": {"a": "b"}}}))
    assert looks
    assert all(look.holds is not True for look in looks), looks


def online(known: KnownStory, *clients: OldPortClient) -> KnownStory:
    """The same run as an online one, whose relay counted these clients."""
    stack = known.settings.stack
    workspace = msgspec.structs.replace(stack.workspace, relay="workspace-api-relay")
    settings = msgspec.structs.replace(
        known.settings, stack=msgspec.structs.replace(stack, workspace=workspace)
    )
    came = OldPortClients(known.story.migrated_at or 0.0, clients)
    view = msgspec.structs.replace(known.view, mode="online", old_port=came)
    return dataclasses.replace(known, settings=settings, view=view)


def test_behind_a_relay_the_probes_answers_are_not_the_old_services(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = after(read_story(run), 14.0, *GO)
    probes = OldPortClient("127.0.0.1", 90_000, known.now)
    gone = OldPortClient("10.0.0.4", 12, known.now - 9 * DAY)
    approved, text = finished(monkeypatch, online(known, probes, gone), YES, old=[13.0])
    assert approved
    assert "only this machine came to its port, where workspace-api-relay answers" in text


def test_a_client_that_still_comes_to_the_old_port_is_a_user_of_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = after(read_story(run), 14.0, *GO)
    approved, text = finished(
        monkeypatch, online(known, OldPortClient("10.0.0.9", 3, known.now - 2 * DAY)), YES
    )
    assert not approved
    assert "its port is still asked by 10.0.0.9" in text


def test_behind_a_relay_an_old_service_that_ran_beside_was_used(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = online(after(read_story(run), 14.0, *GO))
    approved, text = finished(monkeypatch, known, YES, stray=1.0)
    assert not approved
    assert "it served again beside the new one" in text
