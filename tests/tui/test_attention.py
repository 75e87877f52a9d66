"""The bell and the desktop notification: for what is new and unheeded, once, and harmless."""

from __future__ import annotations

from tests.tui.support import recorded, started
from wsdash.model import AlertAcknowledged, AlertChanged, AlertSilenced, AnyEvent
from wsdash.tui.state.viewstate import ViewState, fold_all
from wsdash.tui.terminal import Attention

DISK = AlertChanged("disk", True, "Disk filling: 81 % (limit 80 %)", 100.0, "disk")


def view(*events: AnyEvent) -> ViewState:
    return fold_all(recorded(started(), *events))


def rung(attention: Attention, *views: ViewState) -> list[str]:
    written: list[str] = []
    for one in views:
        attention.look(one, 200.0, written.append)
    return written


def test_an_alert_that_begins_while_we_look_rings_once() -> None:
    plain = Attention(environment={"TERM": "xterm-256color"})
    assert rung(plain, view(), view(DISK), view(DISK, DISK)) == [
        "\a",
        "\x1b]9;wsdash: Disk filling: 81 % (limit 80 %)\a",
    ]


def test_what_stood_before_the_screen_opened_does_not_ring() -> None:
    assert rung(Attention(environment={}), ViewState(), view(DISK), view(DISK)) == []


def test_what_is_silenced_or_acknowledged_does_not_ring() -> None:
    silenced = view(AlertSilenced("*", 900.0, "ana"), DISK)
    acknowledged = view(DISK, AlertAcknowledged("disk", "ana"))
    assert rung(Attention(environment={}), view(), silenced) == []
    assert rung(Attention(environment={}), view(), acknowledged) == []


def test_each_half_can_be_switched_off() -> None:
    assert rung(Attention(desktop=False, environment={}), view(), view(DISK)) == ["\a"]
    assert rung(Attention(bell=False, environment={"TERM": "foot"}), view(), view(DISK)) == [
        "\x1b]777;notify;wsdash;Disk filling: 81 % (limit 80 %)\a"
    ]


def test_a_text_cannot_write_to_the_terminal_and_tmux_passes_it_on() -> None:
    evil = AlertChanged("disk", True, "a\x1b]0;b\a\nc", 100.0, "disk")
    told = rung(Attention(bell=False, environment={"TMUX": "x"}), view(), view(evil))
    assert told == ["\x1bPtmux;\x1b\x1b]9;wsdash: a]0;bc\a\x1b\\"]
