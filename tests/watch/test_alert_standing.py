"""How alerts stand after the journal's events: acknowledged, silenced, ended; and the spans of a report."""

from __future__ import annotations

from wsdash.model import (
    AlertAcknowledged,
    AlertChanged,
    AlertSilenced,
    AlertUnsilenced,
    AnyEvent,
    Recorded,
)
from wsdash.model.alert_board import alert_spans, fold_alerts


def told(*events: AnyEvent) -> list[Recorded]:
    return [Recorded(n, float(n), event) for n, event in enumerate(events, 1)]


def raised(
    since: float = 1.0, alert: str = "disk", worst: float | None = 81.0, text: str = "full"
) -> AlertChanged:
    return AlertChanged(alert.partition("/")[0], True, text, since, alert, "disk:percent", "warning", worst)


def ended(at: float, alert: str = "disk", worst: float | None = 90.0) -> AlertChanged:
    return AlertChanged(alert.partition("/")[0], False, "well", at, alert, "disk:percent", "warning", worst)


def test_a_raised_alert_stands_until_it_ends() -> None:
    board = fold_alerts(told(raised()))
    assert list(board.raised) == ["disk"]
    after = fold_alerts(told(ended(9.0)), board)
    assert after.raised == {}
    assert [(span.begun, span.ended, span.worst) for span in after.ended] == [(1.0, 9.0, 90.0)]


def test_getting_worse_is_the_same_alert() -> None:
    board = fold_alerts(told(raised(), raised(worst=88.0, text="fuller")))
    assert board.raised["disk"].begun == 1.0
    assert (board.raised["disk"].worst, board.raised["disk"].text) == (88.0, "fuller")


def test_an_acknowledgement_lasts_as_long_as_its_alert() -> None:
    board = fold_alerts(told(raised(), AlertAcknowledged("disk", "ana", "cleaning up"), raised(worst=99.0)))
    span = board.raised["disk"]
    assert (span.acknowledged_by, span.note, span.acknowledged_at) == ("ana", "cleaning up", 2.0)
    assert board.unheeded(3.0) == ()
    again = fold_alerts(told(ended(9.0), raised(20.0)), board)
    assert again.raised["disk"].acknowledged_by == ""
    assert again.ended[0].acknowledged_by == "ana"


def test_acknowledging_what_is_not_raised_changes_nothing() -> None:
    assert fold_alerts(told(AlertAcknowledged("disk", "ana"))) == fold_alerts(())


def test_a_silence_covers_a_rule_an_alert_or_all_until_its_end() -> None:
    for match in ("down", "down/a", "*"):
        board = fold_alerts(told(raised(alert="down/a"), AlertSilenced(match, 100.0, "ana", "night")))
        assert board.unheeded(99.0) == ()
        assert [span.alert for span in board.unheeded(100.0)] == ["down/a"]
        assert board.active_silences(100.0) == ()
    other = fold_alerts(told(raised(alert="down/a"), AlertSilenced("down/b", 100.0, "ana")))
    assert other.silence_of("down/a", 50.0) is None


def test_a_silence_can_end_before_its_time_and_be_renewed() -> None:
    board = fold_alerts(told(raised(), AlertSilenced("*", 100.0, "ana"), AlertUnsilenced("*", "ben")))
    assert board.silences == {}
    longer = fold_alerts(told(AlertSilenced("*", 100.0, "ana"), AlertSilenced("*", 200.0, "ben")))
    assert [(silence.until, silence.who) for silence in longer.active_silences(150.0)] == [(200.0, "ben")]


def test_spans_are_every_alert_by_its_beginning_with_those_that_stand() -> None:
    events = told(
        ended(0.5),
        raised(1.0),
        raised(2.0, "down/a", 0.0),
        ended(5.0),
        raised(8.0),
        AlertAcknowledged("disk", "ana"),
    )
    spans = alert_spans(events)
    assert [(s.rule, s.alert, s.begun, s.ended, s.acknowledged_by) for s in spans] == [
        ("disk", "disk", 1.0, 5.0, ""),
        ("down", "down/a", 2.0, None, ""),
        ("disk", "disk", 8.0, None, "ana"),
    ]


def test_the_first_look_that_finds_all_well_is_no_span() -> None:
    assert alert_spans(told(ended(1.0))) == ()


def test_events_from_before_alerts_had_names_still_count() -> None:
    old = AlertChanged("disk", True, "full", 1.0)
    assert [span.alert for span in alert_spans(told(old))] == ["disk"]
