"""Whatever comes as JSON or YAML: a value of bounded depth, or one kind of error, and never anything else."""

from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdash.outside import DocumentError, read_json, read_yaml
from wsdash.outside.documents import DEEPEST


class Small(msgspec.Struct):
    name: str
    number: int = 0


def nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + closing * depth


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
TOKENS = st.lists(
    st.sampled_from(
        ["[", "]", "{", "}", ":", ",", '"', "a", "1", "-", "&x ", "*x", "\n", "  ", "!!int ", "? ", "|", "<<"]
    ),
    max_size=60,
).map("".join)


@given(VALUES)
def test_json_is_read_as_json_reads_it(value: object) -> None:
    assert read_json(json.dumps(value)) == value


@given(st.binary(max_size=200) | TOKENS.map(str.encode))
@settings(max_examples=300)
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    with suppress(DocumentError):
        read_json(data)
    with suppress(DocumentError):
        read_json(data, Small)


@given(TOKENS | st.text(max_size=100))
@settings(max_examples=300, deadline=None)
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with suppress(DocumentError):
        read_yaml(text)


@given(VALUES)
@settings(max_examples=50, deadline=None)
def test_yaml_is_read_as_yaml_reads_it(value: object) -> None:
    text = yaml.safe_dump(value)
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 500, 2_000, 200_000])
def test_depth_is_bounded(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        with pytest.raises(DocumentError):
            read_json('{"a":' + nested(depth, opening, closing) + "}")
        with pytest.raises(DocumentError):
            read_json('{"name": "x", "unknown": ' + nested(depth, "[", "]") + "x", Small)
    with pytest.raises(DocumentError):
        read_yaml(nested(depth, "[", "]"))


def test_the_deepest_allowed_is_read() -> None:
    assert read_json(nested(DEEPEST, "[", "]")) is not None
    assert read_yaml(nested(DEEPEST, "[", "]")) is not None


def test_size_is_bounded() -> None:
    with pytest.raises(DocumentError, match="larger than"):
        read_json(b'"' + b"x" * 100 + b'"', largest=100)
    with pytest.raises(DocumentError, match="larger than"):
        read_yaml("x" * 101, largest=100)


@pytest.mark.parametrize("data", ["9" * 5_000, "NaN", "[Infinity]", "", "\ud800", b"\xff\xfe", b"\x00"])
def test_what_python_would_stumble_over_is_refused(data: bytes | str) -> None:
    with pytest.raises(DocumentError):
        read_json(data)


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_count_for_what_they_stand_for() -> None:
    assert len(read_yaml(laughs(3))) == 3
    with pytest.raises(DocumentError, match="more than"):
        read_yaml(laughs(9))
    with pytest.raises(DocumentError, match="stands for nothing"):
        read_yaml("a: &x [*x]")


@pytest.mark.parametrize(
    "text",
    ["a: " + "9" * 6_000, "d: 2024-99-99", "a: !!python/object:os.system x", "x: 1\nx: 2", "a: !!binary x"],
)
def test_values_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        read_yaml(text)
