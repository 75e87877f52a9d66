"""A process that switches over and can be killed, stopped or cut off: it tells each stage and waits.

python -m tests.data.online.switch_child '[source, target, leaving, limit]' (the first two: fields of an
Endpoint)
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.data.copying import catalog_of
from tests.data.online.world import RUN
from wsdash.data.online.switch.cutover import AbortedError, switch_over
from wsdash.data.online.sync.move import Move
from wsdash.data.pg.connect import Endpoint


async def _at(stage: str) -> None:
    print(stage, flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def main() -> None:
    """Switch over what the arguments name."""
    source_fields, target_fields, leaving, limit = json.loads(sys.argv[1])
    source, target = Endpoint(**source_fields), Endpoint(**target_fields)
    move = Move(RUN, source, target, (await catalog_of(source)).tables)
    try:
        await switch_over(move, source if leaving == "source" else target, limit=limit, on_stage=_at)
    except AbortedError as error:
        print(f"aborted: {error}", flush=True)
    else:
        print("switched", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
