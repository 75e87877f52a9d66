"""What one engine is asked to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wsdash.engine.rehearsal.stage import ScratchServer
from wsdash.engine.source import EventSource
from wsdash.errors import InputError
from wsdash.model import Phase, Recorded, SetupProgress, TrafficJudged
from wsdash.plan import Plan
from wsdash.stack.base import Stack
from wsdash.steps.base import Step

Witness = Callable[[str, tuple[float, float] | None], Awaitable[TrafficJudged | None]]
"""(source or target, from when to when the switch refused writers) -> what users of the world learnt of their
writes.
"""
Prepare = Callable[[Callable[[SetupProgress], None]], Awaitable[Path]]


@dataclass(frozen=True)
class MetricsAddress:
    """Where wsdash's own /metrics page is served."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True)
class Keep:
    """Of rows that both sides changed, which side's stays: for all ('': nobody chose) and by id."""

    all: Literal["source", "target", ""] = ""
    rows: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineOptions:
    """What one engine is to do.

    config: directory of the settings (None: the shipped ones; prepare, where given, makes the world and
    returns its own). mode: offline or online; '': as the run was begun, else offline. auto: run all that is
    automatic; yes: tick what a person confirms, saying so; until and from_item limit it. rollback: roll
    back; restore: the backup that fills what the source lacks on the way back. abandon_rollback: go forward
    though a rollback stopped half-way. items: run these items, and nothing else; phrase: what was typed for
    them. rehearse: rehearse the migration in so many rounds, and nothing else. exit_when_done: end when
    there is nothing more to do (headless).
    on_event hears every recorded event, in a thread of its own; seq 0 marks what is not in the journal.
    steps and stack replace the shipped ones; watch: whether to poll the world.
    source: tells what happens after the migration, on a clock of its own; the world is polled before and
    after it.
    metrics: where wsdash's own metrics are served; None: nowhere.
    then_rollback: roll back what auto migrated. keep: what was chosen of conflicts. give_up: on the way back,
    what users wrote to the target is given up where it does not answer.
    witness: judges what users of this world learnt of their writes, once all is done.
    pause_jobs: whether the source's background jobs are paused, as a person answered beforehand; None: nobody
    was asked.
    scratch_server: where a rehearsal tries the schema when the target cannot be started; None: nowhere.
    """

    state: Path
    config: Path | None = None
    mode: str = ""
    auto: bool = False
    yes: bool = False
    until: str | None = None
    from_item: str | None = None
    dry_run: bool = False
    force: bool = False
    phrase: str = ""
    rollback: bool = False
    restore: str = ""
    then_rollback: bool = False
    keep: Keep = Keep()
    give_up: bool = False
    witness: Witness | None = None
    abandon_rollback: bool = False
    items: tuple[str, ...] = ()
    rehearse: int = 0
    exit_when_done: bool = False
    take_over: bool = False
    on_event: Callable[[Recorded], None] | None = None
    prepare: Prepare | None = None
    teardown: Callable[[], Awaitable[None]] | None = None
    steps: dict[str, Step] | None = None
    stack: Stack | None = None
    watch: bool = True
    source: EventSource | None = None
    metrics: MetricsAddress | None = None
    scratch_server: ScratchServer | None = None
    pause_jobs: bool | None = None

    def check_items(self, plan: Plan) -> None:
        """Raises InputError when until or from_item name no item that a migration runs, or nothing is between
        them."""
        names = [item.id for item in plan.items]
        for option, name in (("--until", self.until), ("--from", self.from_item)):
            if name and plan.item(name).phase is Phase.POST:
                raise InputError(
                    f"{name} is done after the migration, which {option} cannot begin with or end at",
                    where=option,
                    remedy="name an item before the migration or of it; `wsdash` runs the ones after it",
                )
        if self.until and self.from_item and names.index(self.from_item) > names.index(self.until):
            raise InputError(
                f"{self.from_item} comes after {self.until}: nothing is between them",
                where="--from and --until",
                remedy="name them in the order of the checklist",
            )
