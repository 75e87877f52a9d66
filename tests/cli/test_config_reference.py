"""The reference of the configuration's keys is made from the code, and names all of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import wsdash.cli
from wsdash.config import DatabaseSettings, Settings
from wsdash.review.reference import configuration_reference

PAGE = Path(wsdash.__file__).parents[1] / "docs" / "configuration.md"


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_reference()


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert wsdash.cli.main(["config", "reference"]) == 0
    assert capsys.readouterr().out == configuration_reference()


def test_every_key_of_a_section_has_its_line_with_its_default() -> None:
    text = configuration_reference()
    part = text[text.index("## source, target") :].split("## ")[1]
    for field in msgspec.structs.fields(DatabaseSettings):
        assert f"| `{field.name}` |" in part
    assert "| `sslmode` | `disable` or `allow` or `prefer` or" in part
    assert "| `port` | whole number, 1 to 65535 | must be given |" in part
    assert "| `schema_file` | path | empty |" in part
    assert "| `host` | text | must be given |" in part


def test_every_section_of_the_settings_is_told() -> None:
    text = configuration_reference()
    for field in msgspec.structs.fields(Settings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            assert any(field.name in line for line in text.splitlines() if line.startswith("## "))
