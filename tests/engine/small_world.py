"""A small world with real effects: each step makes files in a directory. Runs in a process of its own too.

`python -m tests.engine.small_world DIRECTORY [key=value ...]` serves an engine on DIRECTORY/state.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

from wsdash.config import shipped
from wsdash.engine.process import EngineOptions, serve
from wsdash.errors import WsdashError
from wsdash.model import ContainerReading, LogLine, Progress, Recorded
from wsdash.stack.base import OutputSink
from wsdash.steps.base import Evidence, Step, StepContext

PARTS = 4

PLAN = """
items:
  - {id: backup, phase: pre, kind: auto, title: "Save"}
  - {id: review, phase: pre, kind: confirm, title: "Review"}
  - {id: stop-old, phase: migration, kind: auto, title: "Stop", needs: [backup, review]}
  - {id: copy, phase: migration, kind: auto, title: "Copy", needs: [stop-old]}
  - {id: test-api, phase: migration, kind: auto, title: "Test", needs: [copy]}
  - {id: watch, phase: post, kind: watch, title: "Watch", needs: [test-api]}
"""
AUTOMATIC = ("backup", "stop-old", "copy", "test-api")


class NoContainers:
    """A stack in which nothing runs."""

    async def readings(self) -> list[ContainerReading]:
        return []

    async def start(
        self, names: list[str], output: OutputSink, *, unready: Collection[str] = frozenset()
    ) -> None:
        raise WsdashError("there are no containers here")

    async def stop(self, names: list[str], output: OutputSink, *, handed_on: bool = False) -> None:
        raise WsdashError("there are no containers here")

    async def restart(self, name: str, output: OutputSink) -> None:
        raise WsdashError("there are no containers here")

    async def publishers(self) -> dict[int, str]:
        return {}

    async def images(self) -> dict[str, bool]:
        return {}

    async def execute(self, name: str, argv: list[str], timeout: float) -> str:
        raise AssertionError(f"nothing may be run inside {name}: {argv}")

    async def fetch_images(self, output: OutputSink) -> None:
        raise AssertionError("no image is missing here")

    async def watch(self, changed: Callable[[], object]) -> None:
        return

    async def follow_logs(self, since: float) -> AsyncIterator[LogLine]:
        await asyncio.sleep(3600)
        yield LogLine("", since, "stdout", "")

    async def close(self) -> None:
        return


class MakeFiles:
    """Makes PARTS files, one after the other, each whole or not at all; a ledger tells every beginning.

    A file WORK/refuse-ID makes act fail with the file's text; WORK/hold-ID makes it wait until that is gone.
    """

    def __init__(self, item: str, work: Path, pause: float = 0.0) -> None:
        self.id = item
        self._work = work
        self._pause = pause

    def parts(self) -> list[Path]:
        """The files that it makes."""
        return [self._work / f"{self.id}.{number}" for number in range(PARTS)]

    async def check(self, ctx: StepContext) -> Evidence:
        """Holds when all files are there."""
        made = sum(part.exists() for part in self.parts())
        return Evidence(made == PARTS, f"{made} of {PARTS} files")

    async def act(self, ctx: StepContext) -> None:
        """Make what is missing."""
        _append(self._work / "ledger", f"act {self.id}\n")
        refusal = self._work / f"refuse-{self.id}"
        if refusal.exists():
            raise WsdashError(refusal.read_text(), where=str(refusal), remedy=f"remove {refusal.name}")
        while (self._work / f"hold-{self.id}").exists():  # noqa: ASYNC110 - the file is the signal
            await asyncio.sleep(0.01)
        for number, part in enumerate(self.parts()):
            if not part.exists():
                temporary = part.with_suffix(".tmp")
                temporary.write_text(self.id)
                await asyncio.sleep(self._pause)
                os.link(temporary, part)  # refuses to make it twice
                temporary.unlink()
                _append(self._work / "ledger", f"made {part.name}\n")
            ctx.emit(Progress(ctx.item, part.name, "making", rows=number + 1, total_rows=PARTS))

    async def undo(self, ctx: StepContext) -> Evidence | None:
        """Remove the files; the backup's stay."""
        _append(self._work / "ledger", f"undo {self.id}\n")
        refusal = self._work / f"refuse-undo-{self.id}"
        if refusal.exists():
            raise WsdashError(refusal.read_text(), remedy=f"remove {refusal.name}")
        if self.id == "backup":
            return None
        for part in self.parts():
            await asyncio.sleep(self._pause)
            part.unlink(missing_ok=True)
        return Evidence(True, "files removed")


class Small:
    """The directories of one small world."""

    def __init__(self, directory: Path, pause: float = 0.0) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.work = directory / "work"
        self.config = directory / "config"
        self.pause = pause
        self.work.mkdir(parents=True, exist_ok=True)
        if not self.config.exists():
            self.config.mkdir()
            shutil.copy(shipped("config", "wsdash.yaml"), self.config / "wsdash.yaml")
            (self.config / "plan.yaml").write_text(PLAN)

    def options(self, **changes: Any) -> EngineOptions:
        """An engine on this world, in the foreground, ending when done."""
        steps: dict[str, Step] = {name: MakeFiles(name, self.work, self.pause) for name in AUTOMATIC}
        made = EngineOptions(
            state=self.state,
            config=self.config,
            mode="offline",
            exit_when_done=True,
            steps=steps,
            stack=NoContainers(),
            watch=False,
        )
        return dataclasses.replace(made, **changes)

    def files(self) -> set[str]:
        """The effects: names of the files made by steps."""
        return {path.name for path in self.work.iterdir() if path.suffix[1:].isdigit()}

    def ledger(self) -> list[str]:
        """What steps began and made, in order."""
        path = self.work / "ledger"
        return path.read_text().splitlines() if path.exists() else []

    def put(self, name: str, text: str = "") -> Path:
        """A file that changes how a step behaves."""
        path = self.work / name
        path.write_text(text)
        return path


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _print(recorded: Recorded) -> None:
    print(recorded.seq, type(recorded.event).__name__, flush=True)


def main() -> int:
    """Serve as the command line says."""
    values: dict[str, Any] = dict(word.split("=", 1) for word in sys.argv[2:])
    pause = float(values.pop("pause", 0))
    flags = {"yes", "auto", "rollback", "exit_when_done"}
    changes = {key: value == "1" if key in flags else value for key, value in values.items()}
    small = Small(Path(sys.argv[1]), pause)
    return asyncio.run(serve(small.options(on_event=_print, **changes)))


if __name__ == "__main__":
    sys.exit(main())
