"""Takes all pictures anew."""

import asyncio

from tests.tui.snapshots.files import file_of, written
from tests.tui.snapshots.take import SIZES, take_all


async def main() -> None:
    """Every size in every look."""
    for size in SIZES:
        file_of(size).write_text("".join(written(await take_all(size)).values()), encoding="utf-8")
        print(file_of(size))


asyncio.run(main())
