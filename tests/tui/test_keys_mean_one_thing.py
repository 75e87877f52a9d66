"""One key, one meaning: what a letter does in one place, it does in every other."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import wsdash.tui
from wsdash.config.keys import DEFAULTS, check_keys

SAME = (
    {"Down", "Item below", "Next"},
    {"Up", "Item above", "Before"},
    {"First item", "Oldest", "Top"},
    {"Last item", "Newest", "End", "Bottom"},
    {"Next alert", "Next match", "Next"},
    {"Match before", "Before"},
    {"Leave", "Close", "Go on"},
    {"All", "Try all"},
    {"Retry", "Run again"},
    {"Rehearse", "Begin"},
    {"Stop", "End"},
    {"Page down", "Page"},
    {"Page up", "Back"},
    {"Confirm"},
)
"""Words for the same thing in different places."""


def every_binding() -> Iterator[Binding]:
    for module in pkgutil.walk_packages(wsdash.tui.__path__, "wsdash.tui."):
        importlib.import_module(module.name)
    waiting = list(DOMNode.__subclasses__())
    while waiting:
        node = waiting.pop()
        waiting += node.__subclasses__()
        if node.__module__.startswith("wsdash."):
            yield from (one for one in node.__dict__.get("BINDINGS", ()) if isinstance(one, Binding))


def test_no_key_means_two_things() -> None:
    words: dict[str, set[str]] = defaultdict(set)
    for binding in every_binding():
        for key in binding.key.split(","):
            words[key].add(binding.description)
    two = {
        key: said
        for key, said in words.items()
        if len(key) == 1 and len(said) > 1 and not any(said <= group for group in SAME)
    }
    assert two == {}


@pytest.mark.parametrize("key", ["s", "c", "d", "A", "f", "g"])
def test_the_keys_that_once_meant_several_things_mean_one(key: str) -> None:
    words = {one.description for one in every_binding() if key in one.key.split(",")}
    assert len(words) == 1 or words <= {"First item", "Oldest", "Top"}


def test_every_binding_has_an_id_and_says_what_it_does() -> None:
    for binding in every_binding():
        assert binding.id, binding
        assert binding.tooltip, binding


def test_the_table_of_ids_is_what_the_screens_have() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for binding in every_binding():
        found[binding.id or ""] |= set(binding.key.split(","))
    assert {id: set(keys.split(",")) for id, keys in DEFAULTS.items()} == found


def test_the_keys_that_are_there_are_no_fault() -> None:
    for id, keys in DEFAULTS.items():
        check_keys({id: keys}, refused)


def refused(key: str, value: object, remedy: str) -> None:
    raise AssertionError((key, value, remedy))
