"""The range of every key of wsdash.yaml: what is accepted there can be right.

Three rules hold for every key (numbers are finite and not negative, texts are short and printable); the table
adds what single keys need.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec

Refuse = Callable[[str, object, str], None]

LONGEST_VALUE = 4096
LARGEST_NUMBER = 2**53
_COMMANDS = re.compile(r"command\[\d+\]$|^api\.(body|update)")
"""Keys whose texts may have several lines."""
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+(%[\w.-]+)?|/[^\x00]*")
_SIZE = re.compile(r"[1-9][0-9]{0,9}(kB|MB|GB|TB)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _is_port(value: Any) -> bool:
    return isinstance(value, int) and 0 < value < 65536


def _is_name(value: Any) -> bool:
    """A name that PostgreSQL takes as it is: it would cut a longer one in silence."""
    return 0 < len(value.encode()) <= 63


def _is_host(value: Any) -> bool:
    return len(value) <= 253 and bool(_HOST.fullmatch(value))


def _is_address(value: Any) -> bool:
    host, _, port = value.rpartition(":")
    if not value:
        return True
    return _is_host(host.strip("[]")) and port.isascii() and port.isdigit() and _is_port(int(port[:9]))


def _is_filled(value: Any) -> bool:
    return bool(value.strip())


def _is_variable(value: Any) -> bool:
    return not value or bool(_VARIABLE.fullmatch(value))


def _is_size(value: Any) -> bool:
    return bool(_SIZE.fullmatch(value))


def _is_url(value: Any) -> bool:
    if not value:
        return True
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and (port is None or port > 0)


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: low <= value <= high


_URLS = r"endpoints\.\w+_http|api\.(old|new|dashboard)|metrics\.url"
_FILLED = r"stack\.(apps\.old_service|(apps|workspace)\.containers\[\d+\])|(source|target)\.label"
_VARIABLES = r"(.*\.)?\w+_env|(notify|alerts)\.environment\[\d+\]"
_TABLE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (r"(source|target)\.port|ports\[\d+\]", _is_port, "use a port from 1 to 65535"),
    (r"(source|target)\.host", _is_host, "use a host name, an address, or the directory of a socket"),
    (r"(source|target)\.(database|user|schema)", _is_name, "use the name, 1 to 63 bytes"),
    (_VARIABLES, _is_variable, "use the name of an environment variable, without $"),
    (r"endpoints\.\w+_pg", _is_address, "use host:port"),
    (_URLS, _is_url, "use a URL that begins with http:// or https://"),
    (r"thresholds\.(get|post|alert_api)_seconds", _between(0.001, 3600), "use 0.001 to 3600 seconds"),
    (r"thresholds\.alert_errors_per_minute", _between(0, 1e6), "use 0 to 1000000"),
    (r"thresholds\.alert_disk_percent", _between(1, 100), "use per cent from 1 to 100"),
    (r"thresholds\.stack_memory_bytes", _between(1 << 20, 1 << 50), "use bytes, from 1 MiB on"),
    (r"copy\.maintenance_work_mem", _is_size, "use a size such as 256MB"),
    (r"load_test\.(rung|warm_up)_seconds", _between(0, 600), "use 0 to 600 seconds"),
    (r"paths\.backups", _is_filled, "name a directory"),
    (_FILLED, _is_filled, "fill it in"),
)
_RULES = tuple((re.compile(keys), holds, remedy) for keys, holds, remedy in _TABLE)


def check_ranges(settings: Any, refuse: Refuse) -> None:
    """Calls refuse(key, value, remedy) for the first value that cannot be right; refuse raises."""
    for key, value in _values(settings, ""):
        _check_any(key, value, refuse)
        for keys, holds, remedy in _RULES:
            if keys.fullmatch(key) and not holds(value):
                refuse(key, value, remedy)


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


def _values(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Every single value with its key (`stack.apps.containers[0]`)."""
    if isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            yield from _values(getattr(node, name), f"{key}.{name}" if key else name)
    elif isinstance(node, dict):
        for name, inner in node.items():
            yield from _values(inner, f"{key}.{name}")
    elif isinstance(node, list | tuple):
        for place, inner in enumerate(node):
            yield from _values(inner, f"{key}[{place}]")
    else:
        yield key, node
