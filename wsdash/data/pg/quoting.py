"""Quoting of identifiers and literals: the only place that builds SQL out of names."""

from __future__ import annotations


def ident(*parts: str) -> str:
    """Quote a name, or a dotted name given in parts, whatever characters it has."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def literal(text: str) -> str:
    """Quote a string literal, safe whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''").replace("\\", "\\\\") + "'"
    return "E" + quoted if "\\" in text else quoted


def column_list(names: list[str] | tuple[str, ...]) -> str:
    """A comma-separated list of quoted column names."""
    return ", ".join(ident(name) for name in names)
