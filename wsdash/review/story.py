"""A run read for its report: journal and samples together, judged at the run's own time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from wsdash.config import Settings, load_settings
from wsdash.engine.journal.redact import Redactor, redactor_for
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.operator.launch import planned_mode
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model import Recorded, TimelineJudged
from wsdash.model.fold import RunView, fold_all
from wsdash.plan import Plan, load_plan
from wsdash.runtime import world_config
from wsdash.timeline.evidence import SampleEvidence
from wsdash.timeline.judge import judge
from wsdash.timeline.spec import TimelineSpec, load_timeline
from wsdash.timeline.story import Story, fold_story


@dataclass(frozen=True)
class KnownStory:
    """Everything that is known of a run. now, last: epoch seconds of the run; last: its newest event.

    redactor: knows every password that the settings lead to; no report leaves without it.
    """

    state: Path
    plan: Plan
    spec: TimelineSpec
    settings: Settings
    redactor: Redactor
    view: RunView
    story: Story
    judged: TimelineJudged
    events: tuple[Recorded, ...]
    now: float
    last: float

    @property
    def backup(self) -> str:
        """Where the backup is, '' when there is none."""
        return self.view.backup.path if self.view.backup is not None else ""


def read_run(state: Path) -> RunView:
    """The folded journal alone. Raises InputError when there is none."""
    reader = JournalReader(state)
    try:
        return fold_all(reader.history())
    finally:
        reader.close()


def read_story(state: Path, config: Path | None = None) -> KnownStory:
    """Read the run in `state`, whether or not its engine is alive. Raises InputError when there is none."""
    config = config or world_config(state)
    spec, settings = load_timeline(config), load_settings(config)
    reader = JournalReader(state)
    try:
        events = tuple(reader.history())
        now = reader.run_time(time.time())
    finally:
        reader.close()
    plan = load_plan(config).in_mode(planned_mode(state, settings))
    story = fold_story(events, plan)
    history = HistoryReader(state / FILE)
    try:
        judged = judge(spec, story, SampleEvidence(history, now), settings.thresholds, now)
    finally:
        history.close()
    return KnownStory(
        state,
        plan,
        spec,
        settings,
        redactor_for(settings, state),
        story.run,
        story,
        judged,
        events,
        now,
        story.last_at,
    )
