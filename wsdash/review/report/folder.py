"""The report as a directory: Markdown, HTML, JSON and the calendar, and the proof that they tell the run.

The calendar (RFC 5545) has the five days, with identifiers that stay when it is written again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from icalendar import Calendar, Event

from wsdash.errors import InputError, system_failure
from wsdash.model import ItemState, StepId
from wsdash.outside import DocumentError, read_file, read_json, read_text_file
from wsdash.review.report.build import as_json, report_of, write_whole
from wsdash.review.report.form import Report
from wsdash.review.story import KnownStory

LENGTH = timedelta(hours=1)


def calendar_of(known: KnownStory) -> str:
    """One event a day of the timeline, at the hour at which the migration ended. Times are UTC.

    The identifiers are made of the run and the day: importing it again replaces, and doubles nothing.
    Raises InputError before the migration has ended, when no day is known.
    """
    if known.judged.migrated_at is None:
        raise InputError(
            "the days are not known: the migration has not ended",
            where=str(known.state),
            remedy="finish the migration first",
        )
    calendar = Calendar()
    calendar.add("prodid", "-//wsdash//migration timeline//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for day in known.judged.days:
        assert day.at is not None
        begin = datetime.fromtimestamp(int(day.at), UTC)
        event = Event()
        event.add("uid", day_uid(known.view.run, day.day))
        event.add("dtstamp", datetime.fromtimestamp(int(known.judged.migrated_at), UTC))
        event.add("dtstart", begin)
        event.add("dtend", begin + LENGTH)
        event.add("summary", f"Workspace migration, Day {day.day}: {day.title}")
        wanted = "\n".join(f"- {criterion.title}" for criterion in day.criteria)
        event.add("description", f"{day.guide}\n\n{wanted}\n\nwsdash report shows its state.")
        calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text.decode("utf-8")


def day_uid(run: str, day: int) -> str:
    """The identifier of a day's event, the same whenever it is written."""
    return f"{run}-day-{day}@wsdash"


MARKDOWN, PAGE, DATA, DAYS = "report.md", "report.html", "report.json", "days.ics"
NAMES = (MARKDOWN, PAGE, DATA, DAYS)
ITEM = StepId.UPDATE_DOCS
"""The item whose evidence the directory is; it cannot be in it as done."""
SETTLED = (
    ItemState.DONE,
    ItemState.FAILED,
    ItemState.INSUFFICIENT,
    ItemState.SKIPPED,
    ItemState.UNDONE,
)


class Proof(NamedTuple):
    """Whether a directory holds the report of the run's present state, and what was seen."""

    holds: bool
    text: str


LARGEST_REPORT = 256 << 20


def write_folder(known: KnownStory, directory: Path) -> tuple[Path, ...]:
    """Write the four files, each whole or not at all, and name them. Without days there is no calendar.

    Raises InputError when the directory cannot be made.
    """
    from wsdash.review.report.render import report_html, report_markdown

    report = report_of(known)
    texts = {
        MARKDOWN: report_markdown(report) + "\n",
        PAGE: report_html(report, known),
        DATA: as_json(report),
    }
    if known.judged.migrated_at is not None:
        texts[DAYS] = calendar_of(known)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "name a directory that can be written"
        what = "the report's directory cannot be made"
        raise system_failure(error, directory, what, remedy=remedy, kind=InputError) from error
    if DAYS not in texts:  # what an earlier migration of this run wrote
        (directory / DAYS).unlink(missing_ok=True)
    for name, text in texts.items():
        write_whole(directory / name, text)
    return tuple(directory / name for name in texts)


def prove(known: KnownStory, directory: Path) -> Proof:
    """Read the files back: they are there, they parse, they are of one writing and of this run, and nothing
    was verified, decided, tested or ticked since. Never raises for what is wrong with a file."""
    missing = [name for name in NAMES if not (directory / name).is_file()]
    if missing:
        return Proof(False, f"not written yet: {', '.join(missing)} in {directory}")
    try:
        report = read_json(
            read_file(directory / DATA, largest=LARGEST_REPORT), Report, largest=LARGEST_REPORT
        )
        trouble = _trouble(known, report, directory)
    except (OSError, DocumentError) as error:
        return Proof(False, f"{directory} cannot be read back: {error}")
    if trouble:
        return Proof(False, f"{trouble}, in {directory}")
    sizes = ", ".join(f"{name} {(directory / name).stat().st_size:,} bytes" for name in NAMES)
    tables = f"{sum(table.match for table in report.tables)} of {len(report.tables)} tables equal"
    what = f"{tables}, decisions: {len(report.decisions)}, alerts: {len(report.alerts)}"
    at = report.written_at[:19].replace("T", " ")
    return Proof(
        True, f"report of run {report.run}, written {at} UTC in {directory}: {sizes}; it tells {what}"
    )


def _trouble(known: KnownStory, report: Report, directory: Path) -> str:
    if report.run != known.view.run:
        return f"the report of another run ({report.run}) is there"
    for name in (MARKDOWN, PAGE):
        text = read_text_file(directory / name, largest=LARGEST_REPORT)
        if report.run not in text or report.written_at not in text:
            return f"{name} was not written together with {DATA}"
    if not _whole_page(read_text_file(directory / PAGE, largest=LARGEST_REPORT)):
        return f"{PAGE} is no whole page"
    if _days(directory / DAYS) != {day_uid(known.view.run, day.day) for day in known.judged.days}:
        return f"{DAYS} does not hold the {len(known.judged.days)} days of this run"
    before, now = decided(report), decided(report_of(known))
    older = [name for name, value in now.items() if before[name] != value]
    return f"the report is older than {', '.join(older)}" if older else ""


def decided(report: Report) -> dict[str, object]:
    """What does not change by itself: results, decisions and ticks, by what people call them."""
    items = [one for one in report.items if one.state in SETTLED and one.id != ITEM]
    tests = [one for one in report.tests if one.state in SETTLED]
    ticks = {c.id: (c.holds, c.who, c.measured) for day in report.timeline for c in day.criteria if c.who}
    return {
        "the outcome": report.outcome,
        "the items' results": {one.id: (one.state, one.evidence, one.who, one.note) for one in items},
        "the newest verification": report.tables,
        "the backup": report.backup,
        "the newest decision": report.decisions,
        "the newest test": {one.id: (one.state, one.evidence, one.who) for one in tests},
        "the load test": report.load_test,
        "the newest tick": ticks,
    }


def _days(file: Path) -> set[str]:
    try:
        calendar = Calendar.from_ical(read_file(file, largest=LARGEST_REPORT))
    except ValueError:
        return set()
    return {str(event["uid"]) for event in calendar.walk("VEVENT")}


class _Tags(HTMLParser):
    """Follows which elements are open; void ones never are."""

    VOID = ("meta", "br", "hr", "col", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.crossed = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed = True


def _whole_page(text: str) -> bool:
    """Whether every element that was opened was closed, down to </html>."""
    tags = _Tags()
    tags.feed(text)
    tags.close()
    return not tags.open and not tags.crossed and text.rstrip().endswith("</html>")
