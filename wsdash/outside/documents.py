"""JSON and YAML from outside: bounded in size and depth, with one error for all that can be wrong."""

from __future__ import annotations

import json
from types import UnionType
from typing import Any, TypeVar, overload

import msgspec
import yaml

try:  # libyaml's, where PyYAML was built with it: Python's own takes a tenth of a second for our files
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

LARGEST = 16 << 20
"""Bytes (or characters) of a document that are read."""
DEEPEST = 64
"""Levels of nesting."""
MOST_NODES = 200_000
"""Values in a YAML document, counting what its aliases expand to."""

T = TypeVar("T")


class DocumentError(ValueError):
    """Not the document that was expected; its text says why, and `line` where (YAML; 0: not known)."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


@overload
def read_json(data: bytes | str, *, largest: int = LARGEST) -> Any: ...


@overload
def read_json(data: bytes | str, type: type[T], *, largest: int = LARGEST) -> T: ...


@overload
def read_json(data: bytes | str, type: UnionType, *, largest: int = LARGEST) -> Any: ...


def read_json(data: bytes | str, type: Any = None, *, largest: int = LARGEST) -> Any:
    """Parse JSON, into `type` where one is given. Raises DocumentError, and nothing else.

    A number that Python's parser refuses for its length, a nesting deeper than DEEPEST and a document of more
    than `largest` bytes are refused; NaN and Infinity are not JSON.
    """
    if len(data) > largest:
        raise DocumentError(f"it is larger than {largest:,} bytes")
    try:
        if type is not None:
            return msgspec.json.decode(data, type=type)
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise DocumentError(f"it is nested deeper than {DEEPEST} levels") from None
    except (ValueError, msgspec.MsgspecError) as error:
        raise DocumentError(str(error)) from error
    if _deeper_than(value, DEEPEST):
        raise DocumentError(f"it is nested deeper than {DEEPEST} levels")
    return value


class _Loader(SafeLoader):
    """Refuses a duplicate key: YAML would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {key.value} is given twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(text: str, *, largest: int = 1 << 20) -> Any:
    """Parse one YAML document of plain values. Raises DocumentError, and nothing else.

    Refused: more than `largest` characters, nesting deeper than DEEPEST, aliases that expand to more than
    MOST_NODES values or for themselves, a duplicate key, numbers and dates that cannot be read.
    """
    if len(text) > largest:
        raise DocumentError(f"it is larger than {largest:,} characters")
    try:
        _measure(text)
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        raise DocumentError(getattr(error, "problem", None) or "not valid YAML", line) from error
    except RecursionError:
        raise DocumentError(f"it is nested deeper than {DEEPEST} levels") from None
    except DocumentError:
        raise
    except (ValueError, TypeError, OverflowError, AttributeError, LookupError) as error:
        # the constructors of numbers, dates and keys raise what they meet
        raise DocumentError(f"a value cannot be read: {error}") from error


def _measure(text: str) -> None:
    """Walks the parser's events, which are never nested calls, before anything is built of them."""
    open_nodes: list[tuple[str | None, int]] = []
    sizes: dict[str, int] = {}
    total = 0
    for event in yaml.parse(text, SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise DocumentError(f"alias *{event.anchor} stands for nothing that is complete", line)
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
            if len(open_nodes) > DEEPEST:
                raise DocumentError(f"it is nested deeper than {DEEPEST} levels", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > MOST_NODES:
            raise DocumentError(f"it holds more than {MOST_NODES:,} values", line)


def _deeper_than(value: Any, deepest: int) -> bool:
    level = [value]
    for _ in range(deepest + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _refuse_constant(name: str) -> Any:
    raise DocumentError(f"{name} is not a JSON value")
