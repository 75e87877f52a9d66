"""Day 14's last question: may the old side go? The world is asked once more; wsdash removes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wsdash.config import Settings
from wsdash.engine.journal.writer import JournalReader
from wsdash.engine.world import open_world_stack
from wsdash.errors import WsdashError
from wsdash.history.reader import HistoryReader
from wsdash.history.store import FILE
from wsdash.model.checklist import Mode
from wsdash.model.facts import ANSWERED, VERIFIED
from wsdash.review.report.sections import SHOWN_CLIENTS
from wsdash.review.story import KnownStory, read_story
from wsdash.steps.serving import ServingSides, look_at_services, look_at_source
from wsdash.timeline.judge import GO
from wsdash.watch.board import OLD

FINAL_DAY, REVIEW_DAY = 14, 7
UNUSED_DAYS = 7.0
"""For how long nobody may have used the old service."""
DAY = 86_400.0
WATCHED = 0.9
GLYPHS = {True: "✓", False: "✗", None: "?"}


@dataclass(frozen=True)
class Finishing:
    """approved: Day 14 was decided go, and the world agrees. lines: for people."""

    approved: bool
    lines: list[str]


def finishing(state: Path, settings: Settings, config: Path | None = None) -> Finishing:
    """Read the run, ask the world, and only when all holds list what would go. Blocks for I/O.

    Raises InputError when there is no run.
    """
    known = read_story(state, config)
    looks = [_migration(known), *_decisions(known)]
    if all(look.holds for look in looks):  # a migration that is gone needs no further question
        looks += [_unused(known), _backup(known)]
        looks += asyncio.run(_asked(settings, _facts(state)))
    lines = [f"{GLYPHS[look.holds]} {look.title}: {look.text}" for look in looks]
    if not all(look.holds for look in looks):
        open_ones = sum(not look.holds for look in looks)
        lines += ["", f"Not approved: {open_ones} of {len(looks)} answers above are not yes."]
        if known.judged.migrated_at is not None:
            lines.append(
                f"  remedy: wsdash decide --day {FINAL_DAY} --go --who NAME --why TEXT, when it is due"
            )
        lines.append("What decommissioning would remove is listed when all of them are. Remove nothing.")
        return Finishing(False, lines)
    lines += ["", "Decommissioning would remove, and wsdash removes none of it by itself:"]
    return Finishing(True, [*lines, *_things(known, settings)])


def _migration(known: KnownStory) -> ServingSides:
    title = "There is a migration"
    former = known.story.former
    if known.story.migrated_at is None:
        why = f"; the last one ended {_when(former[-1].ended_at)}: {former[-1].why}" if former else ""
        dead = sum(len(one.decisions) for one in former)
        kept = f"; its {dead} decisions count for nothing" if dead else ""
        return ServingSides(title, False, f"none is complete{why}{kept}")
    return ServingSides(title, True, f"since {_when(known.story.migrated_at)}")


def _decisions(known: KnownStory) -> list[ServingSides]:
    found = []
    for number in (REVIEW_DAY, FINAL_DAY):
        title = f"Go on Day {number}"
        made = known.story.decision(number)
        says = next(day.recommendation for day in known.judged.days if day.day == number)
        if made is None:
            found.append(ServingSides(title, None, f"nothing is decided; the evidence says {says}"))
            continue
        at, decision = made
        word = "go" if decision.go else "no-go"
        text = f"{word} by {decision.who}, {_when(at)}: {decision.why}; the evidence says {says}"
        if decision.despite:
            text += f"; decided all the same: {'; '.join(decision.despite)}"
        elif decision.go and says != GO:
            text += f"; it said {decision.recommendation} when that was decided: decide again"
            found.append(ServingSides(title, None, text))
            continue
        found.append(ServingSides(title, decision.go, text))
    return found


def _unused(known: KnownStory) -> ServingSides:
    """For how long the old service gave no answer, by the probes; without any probe nothing follows."""
    title = f"The old service was not used for {UNUSED_DAYS:.0f} days"
    since = known.now - UNUSED_DAYS * DAY
    if known.story.migrated_at is None or known.story.migrated_at > since:
        return ServingSides(title, None, "the migration ended later than that")
    relay = known.settings.stack.workspace.relay if known.view.mode == Mode.ONLINE else ""
    history = HistoryReader(known.state / FILE)
    try:
        # what answers at the old address then is the relay; the old service itself is reported as a stray
        series = f"stray:{OLD}" if relay else f"latency:{OLD}"
        answered = history.summary(series, since, known.now)
        watched = history.summary("latency:api-new", since, known.now).coverage
    finally:
        history.close()
    if relay:
        return _unused_behind(relay, known, since, answered.maximum or 0.0, watched)
    if answered.count:
        last = f", last {_when(answered.last_at)}" if answered.last_at is not None else ""
        return ServingSides(title, False, f"it answered {answered.count} probes{last}")
    if watched < WATCHED:
        return ServingSides(
            title, None, f"no answer was seen, but only {watched:.0%} of the minutes were watched"
        )
    return ServingSides(title, True, f"no answer was seen, {watched:.0%} of the minutes were watched")


def _unused_behind(relay: str, known: KnownStory, since: float, stray: float, watched: float) -> ServingSides:
    """The same, where a relay has the old port: who came to it, and whether the old service ran beside."""
    title = f"The old service was not used for {UNUSED_DAYS:.0f} days"
    if stray:
        return ServingSides(title, False, "it served again beside the new one")
    if known.view.old_port is None:
        return ServingSides(title, None, f"who comes to the old port is not known: {relay} was never asked")
    others = [one for one in known.view.old_port.others if one.last_seen >= since]
    if others:
        named = ", ".join(f"{one.address} (last {_when(one.last_seen)})" for one in others[:SHOWN_CLIENTS])
        return ServingSides(title, False, f"its port is still asked by {named}")
    if watched < WATCHED:
        return ServingSides(title, None, f"nobody came, but only {watched:.0%} of the minutes were watched")
    return ServingSides(title, True, f"only this machine came to its port, where {relay} answers")


def _backup(known: KnownStory) -> ServingSides:
    title = "A backup of this migration was read back, and its file is whole"
    backup = known.story.backup
    if backup is None or not backup.restore_proven:
        return ServingSides(title, False, "none is known of this migration")
    try:
        with open(backup.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return ServingSides(title, False, f"{backup.path} cannot be read: {error.strerror}")
    if digest != backup.sha256:
        return ServingSides(
            title, False, f"{backup.path} is not what was read back: its sha256 is {digest[:16]}…"
        )
    return ServingSides(title, True, f"{backup.path} ({backup.bytes:,} bytes, sha256 {digest[:16]}…)")


async def _asked(settings: Settings, facts: dict[str, Any]) -> list[ServingSides]:
    try:
        stack = await open_world_stack(settings, read_only=True)
    except WsdashError as error:
        return [ServingSides("The new stack serves, the old service is stopped", None, str(error))]
    try:
        services = await look_at_services(settings, stack, ANSWERED.of(facts))
        return [*services, await look_at_source(settings, VERIFIED.of(facts))]
    finally:
        await stack.close()


def _facts(state: Path) -> dict[str, Any]:
    reader = JournalReader(state)
    try:
        return reader.facts()
    finally:
        reader.close()


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _things(known: KnownStory, settings: Settings) -> list[str]:
    source, target, apps = settings.source, settings.target, settings.stack.apps
    address = f"{source.host}:{source.port}/{source.database}"
    things = [
        (f"container {apps.old_service}", f"docker compose -f {apps.file} rm --stop {apps.old_service}"),
        (f"schema {source.schema} of {address}", f"DROP SCHEMA {source.schema} CASCADE, in that database"),
    ]
    if known.backup:
        things.append((f"backup {known.backup}", "keep it until its own term has ended"))
    where = f"{target.host}:{target.port}/{target.database}"
    things.append((f"schema wsdash of {where}", "what wsdash knows of the copy: DROP SCHEMA wsdash CASCADE"))
    things.append((f"run directory {known.state}", "journal, history and logs: the evidence; archive it"))
    width = max(len(name) for name, _ in things)
    return [f"  {name:<{width}}  {how}" for name, how in things]
