"""The shipped wsdash.yaml with other values in it: its comments stay, because people go on from there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsdash.config import load_settings, read_yaml, shipped
from wsdash.errors import InputError
from wsdash.outside import read_yaml as parse
from wsdash.runtime import write_private

FILE = "wsdash.yaml"
_LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<rest>.*)$")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*[\w/]|[A-Za-z]")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """The YAML text with these values (by dotted key) in place of its own; comments and order stay.

    Only keys that the text has, with a value on their own line. Raises InputError for any other.
    """
    left = dict(values)
    path: list[tuple[int, str]] = []
    lines = []
    for line in text.split("\n"):
        found = _LINE.match(line)
        if found is None or line.lstrip().startswith("#"):
            lines.append(line)
            continue
        indent = len(found["indent"])
        path = [(depth, name) for depth, name in path if depth < indent] + [(indent, found["key"])]
        key = ".".join(name for _, name in path)
        if key in left:
            line = f"{found['indent']}{found['key']}: {_scalar(left.pop(key))}{_comment(found['rest'])}"
        lines.append(line)
    if left:
        raise InputError(f"wsdash.yaml has no key {next(iter(left))}", remedy="leave it out")
    return "\n".join(lines)


def write_configuration(directory: Path, values: Mapping[str, Any], *, replace: bool = False) -> Path:
    """Write DIR/wsdash.yaml; what was written is read back and compared. Raises InputError.

    Never over a file that is there, unless `replace`; then the old one is kept beside it as wsdash.yaml.old.
    """
    path = directory / FILE
    if path.exists() and not replace:
        raise InputError(
            "there is a configuration already",
            where=str(path),
            remedy="use --replace, or another --config DIR",
        )
    text = with_values(shipped("config", FILE).read_text(encoding="utf-8"), values)
    content = parse(text)
    for key, value in values.items():
        node = content
        for part in key.split("."):
            node = node[part]
        if node != value:
            raise InputError(f"{key} would be read back as {node!r}", where=str(path), remedy="report this")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            path.replace(path.with_suffix(".yaml.old"))
        write_private(path, text)
    except OSError as error:
        raise InputError(
            f"the configuration cannot be written: {error.strerror}",
            where=str(error.filename or path),
            remedy="name a directory that you may write with --config DIR",
        ) from error
    load_settings(directory)
    return path


def current_values(directory: Path, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration that is there says for these keys; {} where there is none. Raises InputError."""
    if not (directory / FILE).exists():
        return {}
    content, found = read_yaml(directory / FILE), {}
    for key in keys:
        node: Any = content
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node is not None:
            found[key] = node
    return found


def _scalar(value: Any) -> str:
    """A value in YAML's flow style, on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _comment(rest: str) -> str:
    """The comment at a line's end, with the blanks before it; a # within quotes is none."""
    quoted = ""
    for place, sign in enumerate(rest):
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "\"'":
            quoted = sign
        elif sign == "#" and rest[place - 1 : place] in (" ", ""):
            return "   " + rest[place:]
    return ""
