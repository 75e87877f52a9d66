"""A recording proxy: what is sent to an engine, request by request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_REQUEST = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.[01]\r?$", re.MULTILINE)


@dataclass
class Recorded:
    """(method, path with query) of every request."""

    requests: list[tuple[str, str]] = field(default_factory=list)

    def asked(self, part: str) -> bool:
        """Whether some path has `part` in it."""
        return any(part in path for _, path in self.requests)


@asynccontextmanager
async def recording(engine: Path, listen: Path) -> AsyncIterator[Recorded]:
    """A unix socket at `listen` whose connections end at `engine`, for the length of a block."""
    seen = Recorded()
    carrying: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, record: bool) -> None:
        while piece := await source.read(65_536):
            if record:
                seen.requests += [(m[1].decode(), m[2].decode()) for m in _REQUEST.finditer(piece)]
            sink.write(piece)
            await sink.drain()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(str(engine))
        both = [
            asyncio.create_task(pump(reader, far_writer, True)),
            asyncio.create_task(pump(far_reader, writer, False)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            writer.close()
            far_writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_unix_server(accept, str(listen))
    try:
        yield seen
    finally:
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
