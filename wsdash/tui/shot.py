"""A picture of the real app on a real run: python -m wsdash.tui.shot --state DIR --size 120x36 OUT.svg"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.operator.launch import run_mode
from wsdash.plan import load_plan
from wsdash.tui.feed import JournalFeed
from wsdash.tui.picture import as_svg

READ_SECONDS = 60.0


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
        load_plan(config).in_mode(run_mode(state)),
    )
    newest = await asyncio.to_thread(_newest, state)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.8)
        async with asyncio.timeout(READ_SECONDS):
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
