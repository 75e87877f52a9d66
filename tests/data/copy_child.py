"""A process that copies and can be killed: tells on its output every range it has committed, and 'indexing'.

python -m tests.data.copy_child '[source, target]' (each the fields of an Endpoint)
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.data.copying import catalog_of, request_of
from wsdash.data.copy import load as copy_load
from wsdash.data.copy import plan as copy_plan
from wsdash.data.copy.manifest import finish_range
from wsdash.data.copy.run import copy_tables
from wsdash.data.pg.connect import Endpoint
from wsdash.model import Progress

RANGE_BYTES = 200_000


async def _told(*arguments: object) -> None:
    await finish_range(*arguments)  # type: ignore[arg-type]
    print("range", flush=True)


def _index(event: Progress) -> None:
    if event.activity.startswith("indexing"):
        print("indexing", flush=True)


async def main() -> None:
    """Copy what the arguments name."""
    copy_plan.RANGE_BYTES = RANGE_BYTES
    setattr(copy_load, "finish_range", _told)  # noqa: B010 - mypy sees no export there
    source, target = (Endpoint(**fields) for fields in json.loads(sys.argv[1]))
    await copy_tables(request_of(source, target, await catalog_of(source), workers=2), _index)
    print("complete", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
