"""The pictures in the docs are what the screen shows today, and hold in any font."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterator

import pytest

from tests.tui.pictures import DIRECTORY, SIZES, draw, name_of

SVG = "{http://www.w3.org/2000/svg}"
BYTES = 100_000


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "WSDASH_THEME"):
        monkeypatch.delenv(name, raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("size", SIZES)
async def test_the_picture_is_of_todays_screen(size: tuple[int, int]) -> None:
    drawn, kept = await draw(size), (DIRECTORY / name_of(size)).read_text(encoding="utf-8")
    assert words(drawn) == words(kept), "write them anew: python -m tests.tui.pictures"
    assert drawn == kept, "write them anew: python -m tests.tui.pictures"


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_is_small_and_no_font_moves_its_words(size: tuple[int, int]) -> None:
    text = (DIRECTORY / name_of(size)).read_text(encoding="utf-8")
    assert len(text) < BYTES
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    told = list(xml.fromstring(text).iter(f"{SVG}text"))  # noqa: S314
    assert len(told) > 50
    assert all(one.get("textLength") for one in told if len(one.text or "") > 1)
    assert not re.search("[─│╭╮╰╯▁▂▃▄▅▆▇█]", "".join(one.text or "" for one in told))


def words(picture: str) -> list[str]:
    return [one.text or "" for one in xml.fromstring(picture).iter(f"{SVG}text")]  # noqa: S314
