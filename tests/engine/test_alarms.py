"""Acknowledging and silencing: refused without a name or for what is not there, and never forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.watch.support import settings_of
from wsdash.engine.background.alarms import Alarms
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.writer import Journal
from wsdash.model import (
    AlertAcknowledged,
    AlertChanged,
    AlertSilenced,
    AlertUnsilenced,
    AnyEvent,
    Intent,
    Recorded,
)

DISK = AlertChanged("disk", True, "Disk filling: 81 %", 100.0, "disk", "disk:percent", "warning", 81.0)


async def asked(alarms: Alarms, tmp_path: Path, intent: Intent) -> tuple[bool, str, list[AnyEvent]]:
    events: list[AnyEvent] = []

    async def record(event: AnyEvent) -> None:
        events.append(event)

    reply = await alarms.handle(intent, settings_of(tmp_path), record)
    return reply.ok, reply.text, events


def silence(match: str = "disk", seconds: Any = 60, who: str = "ana") -> Intent:
    return Intent("silence-alert", who=who, note="night", options={"match": match, "seconds": seconds})


async def test_a_raised_alert_is_acknowledged_by_name(tmp_path: Path) -> None:
    alarms = Alarms([Recorded(1, 100.0, DISK)])
    intent = Intent("ack-alert", who="ana", note="cleaning", options={"alert": "disk"})
    assert await asked(alarms, tmp_path, intent) == (True, "", [AlertAcknowledged("disk", "ana", "cleaning")])


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (Intent("ack-alert", options={"alert": "disk"}), "wants a name"),
        (Intent("ack-alert", who="ana", options={"alert": "nothing"}), "not raised"),
        (silence(who=" "), "wants a name"),
        (silence("dsik"), "no rule is called 'dsik'"),
        (silence(seconds=0), "at most 14 days"),
        (silence(seconds=1e9), "at most 14 days"),
        (silence(seconds="long"), "at most 14 days"),
        (silence(seconds=float("nan")), "at most 14 days"),
        (Intent("unsilence-alert", who="ana", options={"match": "disk"}), "nothing silences"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_recorded(
    tmp_path: Path, intent: Intent, words: str
) -> None:
    ok, text, events = await asked(Alarms([Recorded(1, 100.0, DISK)]), tmp_path, intent)
    assert not ok
    assert words in text
    assert events == []


@pytest.mark.parametrize("match", ["*", "disk", "target-down/api-new"])
async def test_all_a_rule_or_one_alert_can_be_silenced(tmp_path: Path, match: str) -> None:
    ok, _, events = await asked(Alarms(), tmp_path, silence(match))
    assert ok
    assert [(type(event), getattr(event, "match", "")) for event in events] == [(AlertSilenced, match)]


async def test_a_silence_is_ended_by_name(tmp_path: Path) -> None:
    alarms = Alarms([Recorded(1, 100.0, AlertSilenced("disk", 9e9, "ana"))])
    intent = Intent("unsilence-alert", who="ben", options={"match": "disk"})
    assert await asked(alarms, tmp_path, intent) == (True, "", [AlertUnsilenced("disk", "ben")])


async def test_all_of_it_survives_the_engine(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    events: list[AnyEvent] = [
        DISK,
        AlertAcknowledged("disk", "ana", "cleaning"),
        AlertSilenced("*", 9e9, "ben", "night"),
    ]
    for event in events:
        await journal.record(event)
    await journal.close()
    reader = JournalReader(tmp_path)
    alarms = Alarms(reader.history())
    reader.close()
    assert alarms.board.raised["disk"].acknowledged_by == "ana"
    assert alarms.board.silences["*"].who == "ben"
    assert alarms.raised() == [DISK]


async def test_a_silence_ends_by_the_runs_clock_and_not_the_machines(tmp_path: Path) -> None:
    lived_fast = 4_000_000_000.0
    _, _, events = await asked(Alarms(now=lambda: lived_fast), tmp_path, silence(seconds=60))
    assert events == [AlertSilenced("disk", lived_fast + 60, "ana", "night")]
