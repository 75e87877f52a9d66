"""Keys that the configuration gives: what is refused, and that they are told everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from textual.keys import _character_to_key

from tests.tui.drawing import FRAME, seen
from tests.tui.support import differing, halfway, stage, started
from wsdash.config import load_settings, shipped
from wsdash.config.keys import DEFAULTS, keys_of, name_of
from wsdash.errors import InputError
from wsdash.model import Intent
from wsdash.plan import load_plan
from wsdash.tui.drawn.lead import lead
from wsdash.tui.panels.help import HelpPanel, bindings_of, draw_help


def load(directory: Path, keys: object) -> dict[str, str]:
    """screen.keys as they are read from a configuration."""
    shown = yaml.safe_load(shipped("config", "wsdash.yaml").read_text())
    (directory / "wsdash.yaml").write_text(yaml.safe_dump(shown | {"screen": {"keys": keys}}))
    return load_settings(directory).screen.keys


REFUSED: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "an id with a typo": ({"log.wrap": "Q"}, ("screen.keys.log.wrap", "did you mean logs.wrap?")),
    "an id like nothing": ({"zzz": "Q"}, ("screen.keys.zzz", "lists the id of every key")),
    "no key": ({"logs.wrap": "hyperspace"}, ("screen.keys.logs.wrap", "use one sign, or a name such as f5")),
    "nothing": ({"logs.wrap": ""}, ("use one sign",)),
    "a key of another": ({"look.zoom": "a"}, ("screen.keys.look.zoom", "a is the key of do.auto too")),
    "a key twice": ({"do.auto": "Q", "look.zoom": "Q"}, ("screen.keys.do.auto", "look.zoom")),
    "a pane's key": ({"do.auto": "f"}, ("f is the key of logs.follow too",)),
    "no text": ({"do.auto": 7}, ("screen.keys",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_key_that_cannot_be_is_refused_with_what_to_do(tmp_path: Path, case: str) -> None:
    keys, words = REFUSED[case]
    with pytest.raises(InputError) as refused:
        load(tmp_path, keys)
    assert all(word in f"{refused.value.what} {refused.value.where} {refused.value.remedy}" for word in words)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"do.auto": "f9,Q"},
        {"do.auto": "r", "do.retry": "a"},
        {"look.help": "?"},
        {"logs.find": "ctrl+f"},
        {"alerts.next": "f"},
    ],
)
def test_keys_that_can_be_are_taken(tmp_path: Path, keys: dict[str, str]) -> None:
    assert load(tmp_path, keys) == keys


def test_signs_have_the_names_that_the_terminals_library_gives_them() -> None:
    assert [name_of(chr(n)) for n in range(33, 127)] == [_character_to_key(chr(n)) for n in range(33, 127)]
    assert keys_of("?, ctrl+f") == ["question_mark", "ctrl+f"]


async def test_a_changed_key_acts_and_the_old_one_no_longer_does(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), keys={"do.auto": "Q"}) as on:
        await on.press("a")
        assert on.intents == []
        await on.press("Q")
        assert on.intents == [Intent("run-auto")]


async def test_two_keys_may_change_places(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), keys={"do.auto": "z", "look.zoom": "a"}) as on:
        await on.press("a")
        assert on.intents == []
        await on.press("z")
        assert on.intents == [Intent("run-auto")]


async def test_help_footer_palette_and_leading_line_tell_the_changed_key(tmp_path: Path) -> None:
    async with stage(tmp_path, started(), keys={"do.auto": "f9", "look.help": "f1"}) as on:
        lines = on.text().splitlines()
        assert "NEXT f9 runs all that is automatic" in lines[2]
        assert "f9 All" in lines[-1]
        assert "f1 Help" in lines[-1]
        await on.press("f1")
        await on.press(*"automatic")
        assert "f9" in next(line for line in on.text().splitlines() if "do.auto" in line)
        await on.press("escape", "escape", "ctrl+p")
        await on.until(lambda: "All (f9)" in on.text())


def test_the_leading_line_names_keys_by_what_they_are_now() -> None:
    frame = FRAME.__class__(FRAME.now, FRAME.width, FRAME.height, True, {"do.retry": "f5"})
    plan = load_plan()
    assert "f5 tries again" in lead(plan, seen(*differing()), frame, plan.items[0]).plain


async def test_the_help_searches_keys_ids_and_signs(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway(), size=(80, 24)) as on:
        await on.press("question_mark", *"roll back")
        shown = on.text()
        assert "do.rollback" in shown
        assert "look.schema" not in shown
        await on.press("escape", *"insufficient")
        assert "? insufficient" in on.text()
        await on.press("escape", *"xyzzy")
        assert "No key and no sign" in on.text()
        await on.press("escape")
        assert isinstance(on.app.screen, HelpPanel), "the first Escape forgets what was sought"
        await on.press("escape")
        assert len(on.app.screen_stack) == 1


async def test_the_help_tells_the_id_of_every_key_of_the_screen(tmp_path: Path) -> None:
    async with stage(tmp_path, *halfway()) as on:
        lines = draw_help(bindings_of(on.app.main.help_nodes()), "", 110)
        told = {line.plain.split()[-1] for line in lines if line.plain.strip()}
        main = {
            id for id in DEFAULTS if id.split(".")[0] in ("do", "look", "list", "pane", "logs", "latency")
        }
        assert main <= told
