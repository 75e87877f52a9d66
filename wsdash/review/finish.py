"""Day 14's last question: what decommissioning would remove. It is listed; wsdash removes none of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsdash.config import Settings
from wsdash.review.story import KnownStory, read_story
from wsdash.timeline.judge import GO

FINAL_DAY = 14


@dataclass(frozen=True)
class Finishing:
    """approved: go is recorded for Day 14. lines: for people."""

    approved: bool
    lines: list[str]


def finishing(state: Path, settings: Settings, config: Path | None = None) -> Finishing:
    """Read the run and list what would go. Raises InputError when there is no run."""
    known = read_story(state, config)
    made = known.story.decision(FINAL_DAY)
    found = next(day for day in known.judged.days if day.day == FINAL_DAY)
    lines = [f"Day {FINAL_DAY}: the evidence says {found.recommendation}."]
    approved = made is not None and made[1].go
    if approved and made is not None:
        lines.append(f"Go, decided by {made[1].who}: {made[1].why}")
        if found.recommendation != GO:
            lines.append(
                "This go was given against the evidence; read the report before you remove anything."
            )
    else:
        word = (
            "no decision is recorded" if made is None else f"no-go, decided by {made[1].who}: {made[1].why}"
        )
        lines.append(f"Not approved: {word}.")
        lines.append(f"  remedy: wsdash decide --day {FINAL_DAY} --go --who NAME --why TEXT")
    lines += [
        "",
        "Decommissioning would remove, and wsdash removes none of it by itself:",
        *_things(known, settings),
    ]
    return Finishing(approved, lines)


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
