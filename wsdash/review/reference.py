"""The reference of every configuration key, made from the settings' own types: docs/configuration.md."""

from __future__ import annotations

import inspect
from typing import Any, get_args, get_origin

import msgspec

from wsdash.config import ENV_PREFIX, Settings, element_of, unwrapped
from wsdash.config.keys import DEFAULTS

HEAD = f"""# Every key of wsdash.yaml

Made from the code by `wsdash config reference`. A key without a default must be given. Any key can be set
by the environment: `{ENV_PREFIX}SOURCE__PORT=5432` sets `source.port`. An unknown key, or a value that cannot
be right, is refused with its place."""


def configuration_reference() -> str:
    """The reference as Markdown: a part for each section, with its keys, their types and defaults."""
    parts = [HEAD]
    for name, kind in _sections("", Settings):
        parts.append(f"## {name}" if name else "## The top level")
        parts.append(" ".join(inspect.cleandoc(kind.__doc__ or "").split()))
        rows = ["| key | value | default |", "| --- | --- | --- |"]
        for field in msgspec.structs.fields(kind):
            if _section_of(field.type) is None and (name, field.name) != ("", "directory"):
                rows.append(f"| `{field.name}` | {_words(field.type)} | {_default(field)} |")
        if len(rows) > 2:
            parts.append("\n".join(rows))
    return "\n\n".join([*parts, _keys()]) + "\n"


def _keys() -> str:
    """The ids that screen.keys takes, a line for each place of the screen."""
    places: dict[str, list[str]] = {}
    for id, keys in DEFAULTS.items():
        places.setdefault(id.partition(".")[0], []).append(f"`{id}` {keys}")
    lines = "\n".join(f"- {' · '.join(names)}" for names in places.values())
    return f"## The ids of screen.keys\n\nWith the keys that they have where nothing else is said.\n\n{lines}"


def _sections(name: str, kind: type[msgspec.Struct]) -> list[tuple[str, type[msgspec.Struct]]]:
    """The section itself, then those in it; a type used in two places is described once."""
    found = [(name, kind)]
    inner: dict[type[msgspec.Struct], list[str]] = {}
    for field in msgspec.structs.fields(kind):
        section = _section_of(field.type)
        if section is not None:
            many = ".NAME" if get_origin(field.type) is dict else ""
            inner.setdefault(section, []).append(f"{name}.{field.name}{many}".lstrip("."))
    for section, names in inner.items():
        found += _sections(", ".join(names), section)
    return found


def _section_of(kind: Any) -> type[msgspec.Struct] | None:
    kind, _ = unwrapped(kind)
    for one in (kind, *get_args(kind)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return one
    return None


def _words(kind: Any) -> str:
    """A type for people, with its range where it has one."""
    kind, meta = unwrapped(kind)
    if meta is not None and (meta.extra or {}).get("path"):
        return "path"
    if meta is not None and meta.ge is not None and meta.le is not None:
        return f"{_words(kind)}, {meta.ge:.16g} to {meta.le:.16g}"
    simple = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing"}
    if kind in simple:
        return simple[kind]
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        of, _, span = _words(element_of(kind)).partition(", ")
        return f"list of {of}s".replace("texts", "text") + (f", {span}" if span else "")
    if get_origin(kind) is dict:
        return "mapping"
    if arguments:
        return " or ".join(f"`{one}`" if isinstance(one, str) else _words(one) for one in arguments)
    return "anything"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value in ("", (), {}):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(map(str, value)) + "]`"
    return f"`{value}`"
