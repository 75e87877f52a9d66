"""The alerts' panel: what it tells, what the operator sends from it, and that a monitor sends nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tui.support import SIZES, stage, started
from wsdash.model import AlertAcknowledged, AlertChanged, AlertSilenced, AnyEvent, Intent
from wsdash.tui.dialogs.questions import SignDialog
from wsdash.tui.panels.alerts import SilenceDialog


def alerts() -> list[AnyEvent]:
    now = time.time()
    down = "target-down/api-new"
    return [
        started(),
        AlertChanged("api-latency", True, "API slow", now - 500, "api-latency/api-new", "", "warning", 0.9),
        AlertChanged("api-latency", False, "ended", now - 400, "api-latency/api-new", "", "warning", 0.9),
        AlertChanged("disk", True, "Disk filling: 81 %", now - 60, "disk", "disk:percent", "warning", 81.0),
        AlertChanged(down.split("/")[0], True, "Does not answer: api-new", now - 90, down, "", "critical"),
    ]


@pytest.mark.parametrize("size", SIZES)
async def test_the_panel_tells_what_stands_what_is_silenced_and_what_ended(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    silenced = AlertSilenced("disk", time.time() + 3600, "ben", "known")
    acknowledged = AlertAcknowledged("target-down/api-new", "ana", "on it")
    async with stage(tmp_path, *alerts(), silenced, acknowledged, size=size, role="monitor") as on:
        await on.press("A")
        shown = on.text()
        for words in (
            "✗ critical",
            "target-down/api-new",
            "acknowledged by ana: on it",
            "▲ warning",
            "silenced by ben",
            "disk, for 60 min more, by ben: known",
            "api-latency/api-new",
        ):
            assert words in shown, words
        assert shown.index("target-down") < shown.index("silenced by ben")


async def test_an_empty_panel_says_so(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), role="monitor") as on:
        await on.press("A")
        assert "✓ none" in on.text()


async def test_the_operator_acknowledges_the_chosen_alert_by_name(tmp_path: Path) -> None:
    async with stage(tmp_path, *alerts()) as on:
        await on.press("A", "n", "K")
        assert isinstance(on.app.screen, SignDialog)
        on.app.screen.query_one("#who").focus()
        await on.pilot.press("end", *["backspace"] * 20, *"ana", "enter", *"mine", "enter")
        await on.app.workers.wait_for_complete()
        assert on.intents == [Intent("ack-alert", who="ana", note="mine", options={"alert": "disk"})]


async def test_a_silence_wants_a_typed_name_and_an_end(tmp_path: Path) -> None:
    async with stage(tmp_path, *alerts()) as on:
        await on.press("A", "S")
        assert isinstance(on.app.screen, SilenceDialog)
        await on.press("enter")
        assert "a name is wanted" in on.text()
        assert on.intents == []
        await on.press(*"ana", "enter")
        options = {"match": "target-down/api-new", "seconds": 3600.0}
        assert on.intents == [Intent("silence-alert", who="ana", options=options)]


async def test_a_monitor_has_no_key_to_send_with(tmp_path: Path) -> None:
    async with stage(tmp_path, *alerts(), role="monitor") as on:
        await on.press("A", "K", "S", "u", "n")
        assert type(on.app.screen).__name__ == "AlertsPanel"
        assert on.intents == []


async def test_the_header_calms_down_when_somebody_knows(tmp_path: Path) -> None:
    async with stage(tmp_path, *alerts()) as on:
        assert "▲ 2 alerts: Does not answer: api-new" in on.text()  # the worst, not the newest
        await on.emit(AlertSilenced("*", time.time() + 3600, "ben"))
        await on.until(lambda: "2 alerts, acknowledged or silenced" in on.text())
