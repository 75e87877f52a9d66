"""What is to be said of a seeded fortnight, figure by figure, computed from its incidents alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tests.timeline.fortnights import DAY, LEAST, LIMIT, LONGEST, Fortnight, Minute
from tests.timeline.support import CONTAINERS

NO_ANSWER = math.inf
Said = tuple[bool | None, str]
"""Whether it holds, and what was measured, in words."""


@dataclass(frozen=True)
class Day:
    """24 hours. number: from 1 on."""

    number: int
    minutes: list[Minute]

    @cached_property
    def seen(self) -> list[Minute]:
        return [minute for minute in self.minutes if not minute.unseen]

    @property
    def unseen(self) -> int:
        return len(self.minutes) - len(self.seen)

    @property
    def coverage(self) -> float:
        return len(self.seen) / len(self.minutes)

    @cached_property
    def hole(self) -> int:
        """Minutes at a time."""
        longest = now = 0
        for minute in self.minutes:
            now = now + 1 if minute.unseen else 0
            longest = max(longest, now)
        return longest

    @property
    def watched(self) -> bool:
        return self.coverage >= LEAST and self.hole <= LONGEST

    @cached_property
    def down(self) -> int:
        """Seconds."""
        return 60 * sum(minute.latency is None for minute in self.seen)

    @cached_property
    def probes(self) -> list[float]:
        """Seconds of each probe, unanswered ones the slowest."""
        return sorted(NO_ANSWER if minute.latency is None else minute.latency for minute in self.seen)

    def quantile(self, fast: int = 0) -> float:
        """p95 by rank of all probes; fast: so many fast ones besides."""
        ranked = [0.0] * fast + self.probes
        return ranked[math.floor(0.95 * (len(ranked) - 1))]


class Expected:
    """What is to be said of the first `days` days of a fortnight."""

    def __init__(self, lived: Fortnight, days: int) -> None:
        self.lived, self.count = lived, days
        inside = [minute for minute in lived.minutes if 0 <= minute.at < days * DAY]
        self.days = [
            Day(number + 1, [minute for minute in inside if minute.at // DAY == number])
            for number in range(days)
        ]
        self.within = [one for one in lived.incidents if 0 <= one.since < days * DAY]

    def of(self, name: str) -> Said:
        """One criterion."""
        asks: dict[str, Callable[[], Said]] = {
            "no-p1-incidents": self._incidents,
            "no-restarts": self._restarts,
            "api-latency": lambda: self._quantile(LIMIT["latency"], ""),
            "performance-kept": self._kept,
            "api-answers": self._answers,
            "no-downtime": self._downtime,
            "error-rate": lambda: self._largest("errors", lambda value: f"{value:g} per minute"),
            "disk": lambda: self._largest("disk", lambda value: f"{value:.1f} %"),
            "memory": lambda: self._largest("memory", lambda value: f"{value / 2**20:,.0f} MiB"),
            "team-comfortable": lambda: (True, "yes, says Ana"),
            "team-start-stop": lambda: (True, "yes, says Ana"),
            "rollback-tested": lambda: self._said_again("yes, says Ana", "nobody said so yet"),
            "go-recorded": lambda: self._said_again("go by Ana: calm", "nothing was decided yet"),
            "zero-data-loss": lambda: (True, "1 of 1 tables equal by content"),
            "containers-healthy": lambda: (True, f"4 of 4: {', '.join(sorted(CONTAINERS))}"),
            "features-working": lambda: (True, "8 of 8 hold"),
        }
        return asks.get(name, lambda: (True, "holds"))()

    def coverage(self) -> float:
        """The share of all minutes that was watched."""
        return sum(day.coverage for day in self.days) / self.count

    def _said_again(self, words: str, silence: str) -> Said:
        """What people said of the migration that was rolled back says nothing of this one."""
        return (True, words) if self.lived.said_again else (None, silence)

    def _unwatched(self) -> str:
        """In words, what was watched too little; '' for nothing."""
        dark = [day for day in self.days if not day.watched]
        if not dark:
            return ""
        first = dark[0]
        why = f"nobody looked for {lasting(first.hole * 60)}, at most 15 min may pass"
        if first.coverage < LEAST:
            why = f"{first.coverage:.0%} of the minutes, wanted 90%"
        return (
            f"{len(dark)} of {self.count} × 24 h watched too little (first: 24 h no. {first.number}, {why})"
        )

    def _incidents(self) -> Said:
        count, dark = sum(one.kind == "p1" for one in self.within), self._unwatched()
        if count:
            return False, f"{count}: target-down"
        return (None, f"0; {dark}") if dark else (True, "0")

    def _restarts(self) -> Said:
        asked = sum(one.kind == "restart" and one.asked for one in self.within)
        unasked = sum(one.kind == "restart" and not one.asked for one in self.within)
        told, dark = f", {asked} asked for" if asked else "", self._unwatched()
        if unasked:
            return False, f"{CONTAINERS[1]}: {unasked}{told}"
        return (None, f"0 seen{told}; {dark}") if dark else (True, f"0{told}, in 4 containers")

    def _judged(
        self,
        seen: Callable[[Day], float],
        best: Callable[[Day], float],
        most: float,
        said: Callable[[float], str],
    ) -> Said:
        """The worst day against a limit; one that was watched too little by the best it can have been."""
        broken = [day for day in self.days if (seen(day) if day.watched else best(day)) > most]
        if broken:
            worst = max(broken, key=seen)
            return False, f"{said(seen(worst))} in 24 h no. {worst.number}"
        measured, dark = f"at most {said(max(map(seen, self.days)))}", self._unwatched()
        return (None, f"{measured}; {dark}") if dark else (True, f"{measured} in every 24 h")

    def _quantile(self, most: float, before: str) -> Said:
        holds, measured = self._judged(Day.quantile, lambda day: day.quantile(day.unseen), most, milliseconds)
        return holds, before + measured

    def _kept(self) -> Said:
        if not self.lived.measured:
            return True, "load tests with 1 numbers of clients: none slower"
        old = sorted(self.lived.old)
        p95 = old[math.floor(0.95 * (len(old) - 1))]
        return self._quantile(1.1 * p95, f"{milliseconds(p95)} before, ")

    def _answers(self) -> Said:
        def failed(day: Day) -> float:
            return day.down / 60 / len(day.seen)

        return self._judged(
            failed, lambda day: day.down / 60 / 1440, LIMIT["answers"], lambda share: f"{share:.2%}"
        )

    def _downtime(self) -> Said:
        most = LIMIT["down"]
        over = [day for day in self.days if day.down > most]
        if over:
            worst = max(over, key=lambda day: day.down)
            return False, f"{lasting(worst.down)} down in 24 h no. {worst.number}"
        total = f"{lasting(sum(day.down for day in self.days))} down"
        unsure = [day for day in self.days if day.down + 60 * day.unseen > most]
        if not unsure:
            return True, f"{total} in all"
        dark, blind = max(unsure, key=lambda day: day.unseen), sum(60 * day.unseen for day in self.days)
        most_of_it = f"most of it ({lasting(60 * dark.unseen)}) in 24 h no. {dark.number}"
        return None, f"{total}; nobody looked for {lasting(blind)}, {most_of_it}"

    def _largest(self, name: str, said: Callable[[float], str]) -> Said:
        def largest(day: Day) -> float:
            # a count of the last minute that was read in the first one is about the time before
            counted = [m for m in day.seen if name != "errors" or m.at >= 60]
            return max(float(getattr(minute, name)) for minute in counted)

        return self._judged(largest, largest, LIMIT[name], said)


def milliseconds(seconds: float) -> str:
    if seconds == NO_ANSWER:
        return "no answer"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def lasting(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 2:
        return f"{60 * hours + minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
