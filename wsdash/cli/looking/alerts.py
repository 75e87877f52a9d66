"""`wsdash alerts`: the state of alerts, and what the rules would have said of the recorded history."""

from __future__ import annotations

import argparse
import time
from datetime import datetime
from pathlib import Path

import msgspec

from wsdash.cli.places import config_of, found_state, needed_state
from wsdash.cli.printing import print_json, say
from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import RunStarted, TimePassing
from wsdash.model.alert_board import AlertSpan, fold_alerts
from wsdash.model.written import stamp
from wsdash.watch.alerting.export import prometheus_rules, rules_of_itself, untold
from wsdash.watch.alerting.judge import amount
from wsdash.watch.alerting.replay import replay
from wsdash.watch.alerting.rules import AlertRule, load_rules, rules_file
from wsdash.watch.board import containers_of_series

DAY = 86400.0


def listed(arguments: argparse.Namespace) -> int:
    """`wsdash alerts list`: exit 1 while an alert is raised that nobody acknowledged or silenced."""
    reader = JournalReader(needed_state(arguments))
    board, now = fold_alerts(reader.history()), reader.run_time(time.time())
    reader.close()
    unheeded = board.unheeded(now)
    if arguments.json:
        silenced = {name: board.silence_of(name, now) for name in board.raised}
        built = {
            "raised": [
                msgspec.to_builtins(span) | {"silenced": silenced[span.alert] is not None}
                for span in board.raised.values()
            ],
            "silences": msgspec.to_builtins(board.active_silences(now)),
            "ended": msgspec.to_builtins(board.ended),
        }
        print_json(built)
        return 1 if unheeded else 0
    for span in board.raised.values():
        silence = board.silence_of(span.alert, now)
        how = f"acknowledged by {span.acknowledged_by}" if span.acknowledged_by else "nobody looks after it"
        if silence is not None:
            how += f"; silenced by {silence.who} until {stamp(silence.until)}"
        say(f"▲ {span.severity:<8} {span.alert:<32} since {stamp(span.begun)}  {span.text}  ({how})")
    for silence in board.active_silences(now):
        say(f"– silence  {silence.match:<32} until {stamp(silence.until)}  {silence.who}: {silence.note}")
    say(f"{len(board.raised)} raised, {len(board.ended)} ended")
    return 1 if unheeded else 0


def tested(arguments: argparse.Namespace) -> int:
    """`wsdash alerts test`: exit 0; what would have been raised is the answer, not a failure."""
    state = needed_state(arguments)
    settings = load_settings(config_of(arguments, state))
    path: Path = arguments.rules or rules_file(settings)
    rules = load_rules(path, settings.thresholds, containers_of_series(settings))
    until = _instant(arguments.until, "--to") if arguments.until else _run_time(state)
    since = _instant(arguments.since, "--from") if arguments.since else until - DAY
    if not 0 < until - since <= 15 * DAY:
        raise InputError(
            "the time to replay is not between nothing and 15 days",
            where=f"--from {arguments.since} --to {arguments.until}",
            remedy="name a --from before --to, such as --from 2025-11-03T00:00 --to 2025-11-04T00:00",
        )
    past = HistoryReader(state / FILE)
    spans = replay(rules, past, since, until, containers_of_series(settings), _begun(state))
    known = past.series()
    past.close()
    blind = [rule.id for rule in rules if not any(rule.matches(name) for name in known)]
    if arguments.json:
        built = {"from": since, "to": until, "alerts": msgspec.to_builtins(spans), "without_data": blind}
        print_json(built)
        return 0
    units = {rule.id: rule for rule in rules}
    for span in spans:
        say(_span_line(span, units[span.rule], until))
    say(f"{len(spans)} alerts of {len(rules)} rules between {stamp(since)} and {stamp(until)}")
    if blind:
        say(f"no recorded series for: {', '.join(blind)}")
    return 0


def exported(arguments: argparse.Namespace) -> int:
    """`wsdash alerts export --prometheus FILE`."""
    state = found_state(arguments)
    settings = load_settings(config_of(arguments, state))
    rules = load_rules(rules_file(settings), settings.thresholds, containers_of_series(settings))
    file: Path = arguments.prometheus
    if not settings.metrics.url:
        raise InputError(
            "Prometheus does not read wsdash's page, on which these rules rest",
            where="wsdash.yaml, key metrics.url",
            remedy="name where `wsdash watch --metrics-port` serves it, such as http://localhost:3280",
        )
    file.write_text(prometheus_rules(rules), encoding="utf-8")
    left_out = untold(rules)
    if arguments.json:
        print_json({"file": str(file), "rules": len(rules), "only_wsdash_judges": left_out})
        return 0
    unjudged = f"; nobody judges while wsdash does not run: {', '.join(left_out)}" if left_out else ""
    say(f"{len(rules)} rules, and {len(rules_of_itself())} about wsdash itself, in {file}{unjudged}")
    return 0


def _begun(state: Path) -> list[float]:
    """When engines of this run began to judge: at their start, and where a script's days begin or end."""
    reader = JournalReader(state)
    try:
        return [one.at for one in reader.history() if isinstance(one.event, RunStarted | TimePassing)]
    finally:
        reader.close()


def _run_time(state: Path) -> float:
    """Now, as the run's clock has it: days that were lived faster end later than the machine's."""
    reader = JournalReader(state)
    try:
        return reader.run_time(time.time())
    finally:
        reader.close()


def _span_line(span: AlertSpan, rule: AlertRule, until: float) -> str:
    lasted = (span.ended or until) - span.begun
    end = "" if span.ended is not None else ", and goes on"
    worst = "" if rule.unit == "flag" else f"  worst {amount(span.worst, rule.unit)}"
    begun = stamp(span.begun)
    return f"▲ {span.severity:<8} {span.alert:<32} {begun}  for {amount(lasted, 'seconds')}{end}{worst}"


def _instant(text: str, option: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise InputError(
            f"{text!r} is no date and time",
            where=option,
            remedy="write it as 2025-11-03T21:30, with +00:00 for a time zone",
        ) from error
