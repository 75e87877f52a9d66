"""Keys as they come from a paste, a held key or an impatient person: in bursts, before the screen kept up.

WSDASH_TEST_KEYS: how many random runs a state gets.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual import events

from tests.tui.support import Stage, differing, halfway, stage, started
from wsdash.model import AnyEvent, LogLine


def post(on: Stage, *keys: str) -> None:
    """All at once, as a terminal delivers what was typed ahead: nothing is processed in between."""
    for key in keys:
        name, sign = (key, key) if len(key) == 1 else (key, None)
        if key == "enter":
            sign = "\r"
        on.app.post_message(events.Key(name, sign))


async def settle(on: Stage) -> None:
    """Let the app come to rest. Not by the pilot: it waits for ever for widgets that a key removed."""
    for _ in range(3):
        await asyncio.sleep(0.02)
        for _ in range(50):
            if on.app.message_queue_size == 0 and on.app.screen.message_queue_size == 0:
                break
            await asyncio.sleep(0.01)
    assert not on.app.failure


BURSTS_AT_A_DIALOG = (("enter",) * 4, ("escape",) * 3, ("enter", "escape", "enter", "q", "enter"))
LINES = [LogLine("workspace-api", float(n), "stdout", f"line {n} " + "x" * (n % 200)) for n in range(300)]
OPENERS: dict[str, tuple[str, ...]] = {
    "sign": ("end", "enter"),
    "rollback": ("R",),
    "leave": ("q",),
    "skip": ("s",),
    "confirm": ("c",),
    "differences": ("d",),
    "evidence": ("e",),
    "help": ("question_mark",),
    "jump": ("J",),
    "include": ("5", "I"),
    "time": ("5", "T"),
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    "burst", [("enter",) * 4, ("escape",) * 3, ("enter", "escape", "enter", "q", "enter")]
)
async def test_a_burst_of_keys_at_a_dialog_answers_it_once(
    tmp_path: Path, opener: str, burst: Sequence[str]
) -> None:
    async with stage(tmp_path, *differing()) as on:
        post(on, *OPENERS[opener])
        await settle(on)
        post(on, *burst)
        await settle(on)
        post(on, *OPENERS[opener], *burst)  # also before the dialog is there
        await settle(on)


async def test_two_enters_in_one_go_confirm_once(tmp_path: Path) -> None:
    async with stage(tmp_path, started()) as on:
        on.app.main.checklist.select("notify-team")
        await on.pilot.pause()
        await on.press("enter")
        on.app.screen.query_one("#who").value = "ana"  # type: ignore[attr-defined]
        on.app.screen.query_one("#note").focus()
        await on.pilot.pause()
        post(on, "enter", "enter", "enter")
        await settle(on)
        await on.app.workers.wait_for_complete()
        assert [one.do for one in on.intents].count("confirm") == 1


async def test_a_typed_word_and_many_enters_send_one_rollback(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        post(on, "R")
        await settle(on)
        post(on, *"ROLLBACK", "enter", "enter", "enter", "enter")
        await settle(on)
        await on.app.workers.wait_for_complete()
        assert [one.do for one in on.intents] == ["rollback"]


KEYS = st.sampled_from(
    [
        *(chr(code) for code in range(33, 127)),
        *("enter", "escape", "tab", "shift+tab", "backspace", "space", "up", "down", "left", "right", "home"),
        *("end", "pageup", "pagedown", "delete", "f1", "f2", "f5", "ctrl+a", "ctrl+k", "ctrl+w", "ctrl+u"),
    ]
)
PASTES = st.text(max_size=40).map(lambda text: f"paste:{text}")
BURSTS = st.lists(st.lists(KEYS | PASTES, min_size=1, max_size=12), min_size=1, max_size=8)
STATES: dict[str, list[AnyEvent]] = {"started": [started()], "halfway": halfway(), "differing": differing()}
PLACES: tuple[tuple[str, ...], ...] = (
    *((key,) for key in "12345sdcmbeAyHwJRMq"),
    *(("5", key) for key in ("slash", "I", "T", "O", "L")),
    ("question_mark", *"roll"),
)
"""Where random keys begin: every pane, panel, question and field."""


@asynccontextmanager
async def anew(directory: Path, state: str) -> AsyncIterator[Stage]:
    async with stage(directory, *STATES[state]) as on:
        yield on


@pytest.mark.parametrize("state", STATES)
@given(place=st.sampled_from(PLACES), bursts=BURSTS)
@settings(
    max_examples=int(os.environ.get("WSDASH_TEST_KEYS", "5")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_bursts_repeats_and_pastes_never_raise(
    tmp_path_factory: pytest.TempPathFactory, state: str, place: tuple[str, ...], bursts: list[list[str]]
) -> None:
    async def typed() -> None:
        async with anew(tmp_path_factory.mktemp("keys"), state) as on:
            on.app.main.add_lines(LINES, 0)
            post(on, *place)
            await settle(on)
            for burst in bursts:
                for key in burst:
                    if key.startswith("paste:"):
                        on.app.post_message(events.Paste(key.removeprefix("paste:")))
                    else:
                        post(on, key)
                await settle(on)

    asyncio.run(typed())
