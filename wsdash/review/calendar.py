"""The five days as a calendar (RFC 5545), with identifiers that stay when it is written again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event

from wsdash.errors import InputError
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
