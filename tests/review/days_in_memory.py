"""A fortnight lived in memory: the demo's script, the alert rules, the history's recorder and the judgement
at work as in an engine, without its journal, files and processes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.timeline.standin_history import StandinHistory
from wsdash.clock import VirtualClock
from wsdash.config import Thresholds, load_settings
from wsdash.demo.days import FortnightBegun, Life
from wsdash.demo.days.fortnight import FortnightScript
from wsdash.demo.days.life import Relived
from wsdash.engine.run.decisions import decide
from wsdash.model import (
    READINGS,
    AnyEvent,
    ContainerReading,
    Intent,
    ItemChanged,
    ItemState,
    LoadRung,
    LoadTested,
    Recorded,
    Reply,
    TableVerified,
    TimelineJudged,
)
from wsdash.model.alert_board import AlertSpan
from wsdash.model.samples import SampleFold
from wsdash.plan import load_plan
from wsdash.timeline.evidence import SampleEvidence
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import load_timeline
from wsdash.timeline.story import Story, fold_story
from wsdash.watch.alerts import Alerts
from wsdash.watch.board import Board
from wsdash.watch.pollers.logs import ErrorCounter
from wsdash.watch.world import rules_of

BEGAN = 1_800_000_000.0
PLAN, SPEC = load_plan(), load_timeline()


class DaysInMemory:
    """The journal of a run that was migrated just now, and what a fortnight does to it.

    relay: the service that took the old API's address; '' after a move of mode offline.
    """

    def __init__(self, script: FortnightScript, relay: str = "") -> None:
        settings = load_settings()
        workspace = msgspec.structs.replace(settings.stack.workspace, relay=relay)
        stack = msgspec.structs.replace(settings.stack, workspace=workspace)
        self._settings = msgspec.structs.replace(settings, stack=stack)
        self.waiting = 0
        self.history = StandinHistory()
        self.judged: TimelineJudged | None = None
        self._recorder = SampleFold(lambda series, at, value, error: self.history.add(series, at, value))
        self._script = script
        self._now: Callable[[], float] = lambda: BEGAN
        self._kept: list[Recorded] = []
        rung = LoadRung(1, 100, 0, 50.0, 0.02, 0.03, 0.03, 0.04)
        for api in ("baseline", "new"):
            self.emit(LoadTested(api, "http://here", "read", (rung,)))
        self.emit(TableVerified("workspace.workspace_items", 10, 10, "aa", "aa", True))
        for name in workspace.services:  # what the engine reads of the world before the days begin
            self.emit(ContainerReading(name, "running", "healthy", "workspace", started_at=BEGAN - 60))
        for item in PLAN.everything:
            self.emit(ItemChanged(item.id, ItemState.DONE, "holds"))

    @property
    def story(self) -> Story:
        return fold_story(self._kept, PLAN)

    @property
    def alerts(self) -> tuple[AlertSpan, ...]:
        return self.story.alerts

    def emit(self, event: AnyEvent) -> None:
        """What the journal's is: keep it, and let the history see it."""
        recorded = Recorded(0, self._now(), event)
        self._recorder.see(recorded)
        if not isinstance(event, READINGS):
            self._kept.append(recorded)

    async def look(self) -> TimelineJudged:
        self.judged = judge(
            SPEC, self.story, SampleEvidence(self.history, self._now()), Thresholds(), self._now()
        )
        return self.judged

    async def live(self) -> TimelineJudged:
        """All fourteen days; the timeline at their end."""
        rules = rules_of(self._settings)

        def alerts(
            clock: VirtualClock, errors: ErrorCounter, board: Board, emit: Callable[[AnyEvent], None]
        ) -> Alerts:
            return Alerts(rules, board, errors, emit, clock)

        life = Life(
            self._settings,
            self,  # type: ignore[arg-type]
            alerts,
            lambda line: None,
            self.look,
            self._say,
            FortnightBegun(self._script.name, self._script.seed, 0.0, BEGAN),
            0.0,
            Relived((), BEGAN),
            self._begin,
            lambda: None,
            self._perform,
            self._tick,
        )
        self._now = life.clock.time
        await self._script.live(life)
        assert self.judged is not None
        return self.judged

    async def _say(self, intent: Intent) -> Reply:
        async def record(event: AnyEvent) -> None:
            self.emit(event)

        decided, judged = self.story.decided, await self.look()
        return await decide(intent, PLAN, SPEC, judged, record, decided=decided, now=self._now())

    async def _begin(self, clock: VirtualClock) -> None:
        return

    async def _perform(self, name: str) -> None:
        return

    async def _tick(self, name: str, who: str, note: str) -> None:
        return
