"""The fourteen days after, as the engine sees them: the timeline judged, the first 24 hours, decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from wsdash.config import Thresholds
from wsdash.engine.limits import DAYS_LOOK_SECONDS, FAST_LOOK_SECONDS, FIRST_LOOK, WRITER_POLL_SECONDS
from wsdash.engine.run.decisions import CONFIRM, DECIDE, decide
from wsdash.engine.run.recorder import Recorder
from wsdash.errors import InputError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import (
    Intent,
    ItemChanged,
    ItemIntended,
    ItemKind,
    ItemState,
    Reply,
    TimelineJudged,
)
from wsdash.plan import Plan
from wsdash.timeline.evidence import SampleEvidence
from wsdash.timeline.judge import calm_day, judge
from wsdash.timeline.spec import TimelineSpec
from wsdash.timeline.story import Story, fold_story

INTENTS = (DECIDE, CONFIRM)


class PostMigration:
    """Judges the timeline from the journal and the samples, and tells what changed of it."""

    def __init__(
        self,
        recorder: Recorder,
        plan: Plan,
        spec: TimelineSpec,
        thresholds: Thresholds,
        state: Path,
        settle: Callable[[], Awaitable[None]],
        cut: Callable[[float], None] = lambda at: None,
    ) -> None:
        self._cut = cut
        self._settle = settle
        self._recorder = recorder
        self._plan = plan
        self._spec = spec
        self._thresholds = thresholds
        self._history = HistoryReader(state / FILE)
        self._evidence = SampleEvidence(self._history, 0.0)
        self._recorded_days: TimelineJudged | None = None
        self._one_at_a_time = asyncio.Lock()
        self.fast = False
        self.not_yet = ""
        """Why nothing can be judged yet, or ''."""

    async def run(self) -> None:
        """Look for ever."""
        await asyncio.sleep(FIRST_LOOK)
        while True:
            try:
                await self.look()
            except InputError as error:  # the writer reports a damaged history; the run goes on
                self._recorder.tell(str(error))
            await asyncio.sleep(FAST_LOOK_SECONDS if self.fast else DAYS_LOOK_SECONDS)

    async def look(self) -> TimelineJudged:
        """Judge now; tell it when it changed, and let the first 24 hours be done when they are."""
        async with self._one_at_a_time:
            while self._recorder.journal.waiting:  # noqa: ASYNC110 - its thread is waited for
                await asyncio.sleep(WRITER_POLL_SECONDS)
            now = self._recorder.journal.clock.time()
            story = fold_story(await self._recorder.journal.history(), self._plan)
            if story.migrated_at is not None:
                self._cut(story.migrated_at)
            await self._settle()
            judged, calm = await asyncio.to_thread(self._judge, story, now)
            if judged != self._recorded_days:
                self._recorded_days = judged
                self._recorder.journal.emit(judged)
            for item in self._watched() if calm else ():
                await self._recorder.record(ItemIntended(item, "check", 1))
                await self._recorder.record(ItemChanged(item, ItemState.DONE, calm))
            return judged

    async def handle(self, intent: Intent) -> Reply:
        """A decision or a tick."""
        if self.not_yet:
            return Reply(False, self.not_yet)
        judged = await self.look()
        story = fold_story(await self._recorder.journal.history(), self._plan)
        now = self._recorder.journal.clock.time()
        record = self._recorder.record
        reply = await decide(intent, self._plan, self._spec, judged, record, decided=story.decided, now=now)
        if reply.ok:
            await self.look()
        return reply

    def close(self) -> None:
        """Let go of the history."""
        self._history.close()

    def _judge(self, story: Story, now: float) -> tuple[TimelineJudged, str]:
        evidence = self._evidence.at(now)
        judged = judge(self._spec, story, evidence, self._thresholds, now)
        return judged, calm_day(self._spec, story, evidence, now)

    def _watched(self) -> list[str]:
        """The items that the calm hours make done, and have not yet."""
        view = self._recorder.view
        watched = [item.id for item in self._plan.items if item.kind is ItemKind.WATCH]
        return [name for name in watched if not view.item(name).satisfied]
