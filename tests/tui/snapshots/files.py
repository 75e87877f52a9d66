"""The files of pictures: one a size, every screen in it."""

from __future__ import annotations

from pathlib import Path

from tests.tui.snapshots.take import Picture

HERE = Path(__file__).parent
DIGESTS_A_LINE = 15


def file_of(size: tuple[int, int]) -> Path:
    """Where the pictures of that size are."""
    return HERE / f"{size[0]}x{size[1]}.txt"


def written(taken: dict[str, dict[str, Picture]]) -> dict[str, str]:
    """Screen -> its section: the text, and below it the digests of its lines in each look."""
    sections = {}
    for screen, (text, _) in taken["dark"].items():
        parts = [f"=== {screen} ===", *text]
        for look in taken:
            digests = taken[look][screen][1]
            for first in range(0, len(digests), DIGESTS_A_LINE):
                parts.append(f"--- {look} {first:>2}  " + " ".join(digests[first : first + DIGESTS_A_LINE]))
        sections[screen] = "\n".join(parts) + "\n"
    return sections


def sections_of(content: str) -> dict[str, str]:
    """The sections of a file, as `written` made them."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in content.splitlines():
        if line.startswith("=== ") and line.endswith(" ==="):
            lines = found.setdefault(line.strip("= "), [])
        lines.append(line)
    return {screen: "\n".join(lines) + "\n" for screen, lines in found.items()}
