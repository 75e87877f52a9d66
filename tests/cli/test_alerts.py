"""`wsdash alerts`: what stands is told with who knows of it, and rules are tried on the recorded history."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wsdash.cli import main
from wsdash.engine.journal import Journal
from wsdash.history.store import FILE, HistoryWriter
from wsdash.model import AlertAcknowledged, AlertChanged, AnyEvent

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
