"""What a value of wsdash.yaml may be: types that carry their range and the remedy.

msgspec checks what a bound or a pattern can say. `check_values` checks the rest: what a type names under
`holds`, and for every key that numbers are finite and not negative, and texts short and printable.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

S = TypeVar("S", bound=msgspec.Struct)
Refuse = Callable[[str, object, str], None]
"""refuse(key, value, remedy) raises InputError."""

LONGEST_VALUE = 4096
"""Characters of a text."""
LARGEST_NUMBER = 2**53
_COMMANDS = re.compile(r"command\[\d+\]$|^api\.(body|update)")
"""Keys whose texts may have several lines."""
_HOST = r"([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+(%[\w.-]+)?|/[^\x00]*)"


def _is_name(value: str) -> bool:
    """A name that PostgreSQL takes as it is: it would cut a longer one in silence."""
    return 0 < len(value.encode()) <= 63


def _is_address(value: str) -> bool:
    host, _, port = value.rpartition(":")
    named = bool(re.fullmatch(_HOST, host.strip("[]")))
    return not value or (named and port.isascii() and port.isdigit() and 0 < int(port[:9]) < 65536)


def _is_filled(value: str) -> bool:
    return bool(value.strip())


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and (port is None or port > 0)


def _checked(holds: Callable[[str], bool], remedy: str, *, path: bool = False) -> Meta:
    return Meta(description=remedy, extra={"holds": holds, "path": path})


_URL = "use a URL that begins with http:// or https://"
Filled = Annotated[str, _checked(_is_filled, "fill it in")]
FilePath = Annotated[str, Meta(extra={"path": True})]
NeededPath = Annotated[str, _checked(_is_filled, "name a directory", path=True)]
Name = Annotated[str, _checked(_is_name, "use the name, 1 to 63 bytes")]
Address = Annotated[str, _checked(_is_address, "use host:port")]
Url = Annotated[str, _checked(lambda value: not value or _is_url(value), _URL)]
NeededUrl = Annotated[str, _checked(_is_url, _URL)]
UrlPath = Annotated[str, Meta(pattern=r"^(/|\Z)", description="begin it with /, or leave it empty")]
Port = Annotated[int, Meta(ge=1, le=65535, description="use a port from 1 to 65535")]
Host = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=rf"^{_HOST}\Z",
        description="use a host name, an address, or the directory of a socket",
    ),
]
Variable = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?\Z",
        description="use the name of an environment variable, without $",
    ),
]
Size = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,9}(kB|MB|GB|TB)\Z", description="use a size such as 256MB")
]
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


def unwrapped(kind: Any) -> tuple[Any, Meta | None]:
    """A type without its Meta, and that."""
    if get_origin(kind) is not Annotated:
        return kind, None
    inner, *extras = get_args(kind)
    return inner, next((extra for extra in extras if isinstance(extra, Meta)), None)


def element_of(kind: Any) -> Any:
    """The type of what a list or mapping of this type holds."""
    arguments = [one for one in get_args(unwrapped(kind)[0]) if one is not Ellipsis]
    return arguments[-1] if arguments else Any


def remedy_of(kind: Any) -> str:
    """What the type says a person should write; '' where it says nothing."""
    plain, meta = unwrapped(kind)
    if get_origin(plain) is Literal:
        *most, last = (str(one) for one in get_args(plain))
        return f"use {', '.join(most)} or {last}" if most else f"use {last}"
    return (meta.description or "") if meta is not None else ""


def check_values(settings: msgspec.Struct, refuse: Refuse) -> None:
    """Refuse the first value that cannot be right and that msgspec let pass."""
    for key, value, kind in _values(settings, type(settings), ""):
        _check_any(key, value, refuse)
        _, meta = unwrapped(kind)
        holds = (meta.extra or {}).get("holds") if meta is not None else None
        if holds is not None and not holds(value):
            refuse(key, value, remedy_of(kind))


def absolute_path(text: str, directory: Path) -> str:
    """A path of the configuration in `directory`, made absolute; '' stays. The one rule for all of them."""
    try:
        return os.path.abspath(directory / Path(text).expanduser()) if text else ""
    except RuntimeError:  # ~ of a user that does not exist is a name like another
        return os.path.abspath(directory / text)


def with_absolute_paths(section: S, directory: Path) -> S:
    """The section with every path in it, and in the sections below it, absolute."""
    changes = {
        field.name: _placed(getattr(section, field.name), field.type, directory)
        for field in msgspec.structs.fields(section)
    }
    return msgspec.structs.replace(section, **changes)


def _placed(value: Any, kind: Any, directory: Path) -> Any:
    if isinstance(value, msgspec.Struct):
        return with_absolute_paths(value, directory)
    if isinstance(value, tuple):
        return tuple(_placed(one, element_of(kind), directory) for one in value)
    _, meta = unwrapped(kind)
    is_path = meta is not None and bool((meta.extra or {}).get("path"))
    return absolute_path(value, directory) if is_path else value


def _check_any(key: str, value: Any, refuse: Refuse) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float) and not (math.isfinite(value) and 0 <= value <= LARGEST_NUMBER):
        refuse(key, value, "use a number that is finite and not negative")
    if isinstance(value, str):
        shown = value.replace("\n", "").replace("\t", "") if _COMMANDS.search(key) else value
        if not all(sign.isprintable() or sign == "\u00a0" for sign in shown):
            refuse(key, value, "use printable text on one line")
        if len(value) > LONGEST_VALUE:
            refuse(key, value[:40] + "…", f"use at most {LONGEST_VALUE} characters")


def _values(node: Any, kind: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """Every single value with its key (`stack.apps.containers[0]`) and type."""
    if isinstance(node, msgspec.Struct):
        for field in msgspec.structs.fields(node):
            inner = f"{key}.{field.name}" if key else field.name
            yield from _values(getattr(node, field.name), field.type, inner)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _values(value, element_of(kind), f"{key}.{name}")
    elif isinstance(node, list | tuple):
        for place, value in enumerate(node):
            yield from _values(value, element_of(kind), f"{key}[{place}]")
    else:
        yield key, node, kind
