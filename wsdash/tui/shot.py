"""A picture of the real app on a real run: python -m wsdash.tui.shot --state DIR --size 120x36 OUT.svg

The SVG looks right in any font: lines and blocks are drawn, words are held to their cells.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from textual.strip import Strip

from wsdash.config import load_settings
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.launch import planned_mode
from wsdash.plan import load_plan
from wsdash.tui.feeds.journal_feed import JournalFeed
from wsdash.tui.limits import SHOT_READ_SECONDS

WIDTH, HEIGHT = 8.4, 18
"""Of a cell; a monospaced font of 14 pixels is about so wide."""
FONT = "ui-monospace,'Cascadia Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
BORDER = 10
_EIGHTHS = "▁▂▃▄▅▆▇█"
_ENDS = {
    "│": "ud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu",
    "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "udr", "┤": "udl", "┬": "lrd", "┴": "lru", "┼": "lrud",
}  # fmt: skip
"""Which edges of its cell a line's sign reaches from the middle."""
_LEVEL = "─━┄"
_DRAWN = f"{_LEVEL}{_EIGHTHS}{''.join(_ENDS)}"
_PARTS = re.compile(rf"([{_LEVEL}])\1*|([{_EIGHTHS}])\2*|[{''.join(_ENDS)}]|(?:(?! {{2}})[^{_DRAWN}])+| +")
"""A row of one level line or block, one other line's sign, words with single blanks, or blanks."""


def as_svg(strips: Sequence[Strip], title: str, ground: str = "#10151a") -> str:
    """The picture of these lines. title: for those who cannot see it. ground: the colour around them."""
    columns = max((strip.cell_length for strip in strips), default=0)
    width, height = columns * WIDTH + 2 * BORDER, len(strips) * HEIGHT + 2 * BORDER
    classes: dict[str, str] = {}
    backs: list[str] = []
    lines: list[str] = []
    for y, strip in enumerate(strips):
        for x, text, style in _runs(strip):
            fore, back = _colours(style, ground)
            if back != ground:
                backs.append(_rect(x, y, cell_len(text), back))
            lines += _words(x, y, text, fore, style, classes)
    looks = "".join(f".{name}{{{rules}}}" for rules, name in classes.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>text{{font:14px {FONT};white-space:pre}}{looks}</style>",
            f'<rect width="100%" height="100%" rx="8" fill="{ground}"/>',
            f'<g transform="translate({BORDER} {BORDER})">',
            *backs,
            *lines,
            "</g></svg>\n",
        ]
    )


def _runs(strip: Strip) -> Iterable[tuple[int, str, Style]]:
    """Begin, text and style of each part of a line."""
    x = 0
    for segment in strip.simplify():
        yield x, segment.text, segment.style or Style()
        x += segment.cell_length


def _colours(style: Style, ground: str) -> tuple[str, str]:
    fore, back = _hex(style.color, "#e2e6ea"), _hex(style.bgcolor, ground)
    if style.reverse:
        fore, back = back, fore
    return (_between(fore, back, 0.45) if style.dim else fore), back


def _hex(colour: Color | None, usual: str) -> str:
    return usual if colour is None or colour.is_default else colour.get_truecolor().hex


def _between(fore: str, back: str, part: float) -> str:
    pairs = zip(bytes.fromhex(fore[1:]), bytes.fromhex(back[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def _rect(x: int, y: int, cells: float, colour: str, top: float = 0.0) -> str:
    """Cells of one colour; top: the part of their height that is left out above."""
    place = f'x="{x * WIDTH:g}" y="{(y + top) * HEIGHT:g}"'
    size = f'width="{cells * WIDTH:g}" height="{(1 - top) * HEIGHT:g}"'
    return f'<rect {place} {size} fill="{colour}"/>'


def _words(x: int, y: int, text: str, colour: str, style: Style, classes: dict[str, str]) -> list[str]:
    """What draws one run: words as text of their cells' width, lines and blocks as shapes."""
    drawn: list[str] = []
    strokes = {1: "", 2: ""}
    for part in (found[0] for found in _PARTS.finditer(text)):
        cells = cell_len(part)
        if part[0] in _LEVEL:
            strokes[2 if part[0] == "━" else 1] += f"M{x * WIDTH:g} {(y + 0.5) * HEIGHT:g}h{cells * WIDTH:g}"
        elif part[0] in _ENDS:
            strokes[1] += _stroke(x, y, _ENDS[part])
        elif part[0] in _EIGHTHS:
            drawn.append(_rect(x, y, cells, colour, 1 - (_EIGHTHS.index(part[0]) + 1) / 8))
        elif word := part.strip():
            drawn.append(_text(x + len(part) - len(part.lstrip()), y, word, _class(colour, style, classes)))
        x += cells
    thick = {1: "", 2: ' stroke-width="2.5"'}
    drawn += [
        f'<path d="{path}" stroke="{colour}"{thick[n]} fill="none"/>' for n, path in strokes.items() if path
    ]
    return drawn


def _text(x: int, y: int, word: str, look: str) -> str:
    cells = cell_len(word)
    held = f' textLength="{cells * WIDTH:g}" lengthAdjust="spacingAndGlyphs"' if cells > 1 else ""
    return f'<text x="{x * WIDTH:g}" y="{y * HEIGHT + 13.5:g}" class="{look}"{held}>{escape(word)}</text>'


def _class(colour: str, style: Style, classes: dict[str, str]) -> str:
    rules = f"fill:{colour}"
    if style.bold:
        rules += ";font-weight:bold"
    if style.underline:
        rules += ";text-decoration:underline"
    return classes.setdefault(rules, f"c{len(classes)}")


def _stroke(x: int, y: int, ends: str) -> str:
    """A line from the middle of a cell to these edges of it."""
    middle, centre = (x + 0.5) * WIDTH, (y + 0.5) * HEIGHT
    edge = {
        "l": f"H{x * WIDTH:g}",
        "r": f"H{(x + 1) * WIDTH:g}",
        "u": f"V{y * HEIGHT:g}",
        "d": f"V{(y + 1) * HEIGHT:g}",
    }
    return "".join(f"M{middle:g} {centre:g}{edge[end]}" for end in ends)


async def take(state: Path, size: tuple[int, int], role: str, keys: list[str], config: Path | None) -> str:
    """The screen as SVG, after the state was read and the keys were pressed."""
    from wsdash.engine.operator.control import ControlClient
    from wsdash.tui.app import WsdashApp

    operator = role == "operator"
    app = WsdashApp(
        state,
        "operator" if operator else "monitor",
        ControlClient(state) if operator else None,
        JournalFeed(state),
        load_plan(config).in_mode(planned_mode(state, load_settings(config))),
    )
    newest = await asyncio.to_thread(_newest, state)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.8)
        async with asyncio.timeout(SHOT_READ_SECONDS):
            while app.main.view.seq < newest:  # a long run is read piece by piece
                await pilot.pause(0.1)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        return as_svg(app.screen._compositor.render_strips()[: size[1]], "wsdash")


def _newest(state: Path) -> int:
    """The place of the journal's newest event."""
    reader, last = JournalReader(state), 0
    try:
        while events := reader.events(last):
            last = events[-1].seq
    finally:
        reader.close()
    return last


def main() -> int:
    """Read argv, take the picture, write it."""
    parser = argparse.ArgumentParser(prog="python -m wsdash.tui.shot", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--size", default="120x36", help="COLUMNSxROWS")
    parser.add_argument("--role", choices=("operator", "monitor"), default="operator")
    parser.add_argument("--press", default="", help="keys to press before, with commas between them")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    columns, _, rows = arguments.size.partition("x")
    if not (columns.isdecimal() and rows.isdecimal()):
        parser.error(f"--size {arguments.size} is not COLUMNSxROWS")
    keys = [key for key in arguments.press.split(",") if key]
    svg = asyncio.run(
        take(arguments.state, (int(columns), int(rows)), arguments.role, keys, arguments.config)
    )
    arguments.out.write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
