"""`wsdash alerts`: what stands is told with who knows of it, and rules are tried on the recorded history."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from wsdash.cli import main
from wsdash.clock import VirtualClock
from wsdash.engine.journal.writer import Journal
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import AlertAcknowledged, AlertChanged, AlertSilenced, AnyEvent, TimePassing
from wsdash.model.written import stamp

BEGIN = 1_760_000_400.0
DISK = AlertChanged("disk", True, "Disk filling: 81 %", BEGIN, "disk", "disk:percent", "warning", 81.0)
RULE = "rules: [{id: hot, title: Hot, series: heat, threshold: 50, for: 1m, explanation: it is hot}]"


async def journal(state: Path, *events: AnyEvent) -> None:
    written = Journal.open(state)
    for event in events:
        await written.record(event)
    await written.close()


def heat(state: Path) -> None:
    writer = HistoryWriter.open(state / FILE)
    for n in range(120):
        writer.add("heat", BEGIN + n * 15, 90.0 if 40 <= n < 80 else 20.0)
    writer.close()


async def test_what_nobody_looks_after_is_exit_1_and_what_somebody_does_is_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await journal(tmp_path, DISK)
    assert main(["alerts", "list", "--state", str(tmp_path)]) == 1
    assert "nobody looks after it" in capsys.readouterr().out
    await journal(tmp_path, AlertAcknowledged("disk", "ana"))
    assert main(["alerts", "--state", str(tmp_path), "list"]) == 0
    assert "acknowledged by ana" in capsys.readouterr().out
    assert main(["alerts", "--state", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["raised"][0]["acknowledged_by"] == "ana"


@pytest.mark.parametrize("scale", [0.0, 3600.0])
async def test_a_silence_of_days_that_were_lived_fast_is_judged_by_their_clock(
    tmp_path: Path, scale: float
) -> None:
    later = time.time() + 12 * 86_400
    written = Journal.open(tmp_path)
    written.clock = VirtualClock(later)
    await written.record(TimePassing(scale, later, time.time(), "good"))
    for event in (DISK, AlertSilenced("disk", later - 3600, "ana")):
        await written.record(event)
    await written.close()
    assert main(["alerts", "list", "--state", str(tmp_path)]) == 1
    again = Journal.open(tmp_path)
    again.clock = VirtualClock(later)
    await again.record(AlertSilenced("disk", later + 86_400, "ana"))
    await again.close()
    assert main(["alerts", "list", "--state", str(tmp_path)]) == 0


async def test_rules_are_tried_on_the_recorded_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await journal(tmp_path, DISK)
    heat(tmp_path)
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE)
    words = ["alerts", "test", "--state", str(tmp_path), "--rules", str(rules)]
    words += ["--from", "2025-10-09T09:00+00:00", "--to", "2025-10-09T10:00+00:00"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(alert["alert"], alert["worst"]) for alert in told["alerts"]] == [("hot", 90.0)]
    assert told["alerts"][0]["ended"] - told["alerts"][0]["begun"] == pytest.approx(600, abs=30)
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "hot" in out
    assert "for 10 min  worst 90" in out


async def test_rules_are_tried_up_to_the_runs_now_when_no_end_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heat(tmp_path)
    machine = time.time()
    written = Journal.open(tmp_path)
    written.clock = VirtualClock(BEGIN + 1800)
    await written.record(TimePassing(1.0, BEGIN + 1800, machine, "good", over=True))
    await written.close()
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE)
    assert main(["alerts", "test", "--state", str(tmp_path), "--rules", str(rules), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [alert["alert"] for alert in told["alerts"]] == ["hot"]
    assert 0 <= told["to"] - (BEGIN + 1800) <= time.time() - machine


async def test_a_rule_that_no_series_feeds_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await journal(tmp_path, DISK)
    heat(tmp_path)
    assert main(["alerts", "test", "--state", str(tmp_path), "--to", "2025-10-09T10:00+00:00"]) == 0
    assert "no recorded series for: api-latency" in capsys.readouterr().out


async def test_bad_rules_and_bad_times_are_exit_2_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await journal(tmp_path, DISK)
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULE.replace("for: 1m", "for: soon"))
    words = ["alerts", "test", "--state", str(tmp_path)]
    assert main([*words, "--rules", str(rules)]) == 2
    assert "key for" in capsys.readouterr().err
    assert main([*words, "--rules", str(tmp_path / "none.yaml")]) == 2
    assert main([*words, "--from", "yesterday"]) == 2
    assert "2025-11-03T21:30" in capsys.readouterr().err
    assert main([*words, "--from", "2025-10-09", "--to", "2025-10-08"]) == 2


async def test_the_list_names_the_zone_of_its_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal(tmp_path, DISK)
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    try:
        assert stamp(1_764_500_400.0) == "2025-11-30 12:00:00 CET"
        main(["alerts", "list", "--state", str(tmp_path)])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "since 2025-10-09 11:00:00 CEST" in capsys.readouterr().out
