"""Where a screen's state comes from: a thread that follows the journal and the log spool, and folds.

What a person must see at once is distinguished from what may wait for the screen's next second.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wsdash.engine.background.spool import SpoolCursor, SpoolReader
from wsdash.engine.journal.reader import JournalReader
from wsdash.engine.journal.store import FILE, Heartbeat
from wsdash.engine.limits import GONE_SECONDS
from wsdash.engine.operator.launch import LOG_FILE, engine_log_tail
from wsdash.engine.operator.lock import living_holder
from wsdash.errors import InputError
from wsdash.model import ContainerReading, ItemChanged, ItemState, LogLine, Notice, Recorded
from wsdash.model.fold import RunView
from wsdash.tui.drawn.looks import ITEM, NOTICE, took
from wsdash.tui.limits import (
    DELIVER_SECONDS,
    IMPATIENT_SECONDS,
    LAST_WORDS_SECONDS,
    POLL_SECONDS,
    YOUNG_SECONDS,
)
from wsdash.tui.state.loglines import own_probe
from wsdash.tui.state.past import Past
from wsdash.tui.state.viewstate import LatencySample, ViewState, fold_all, run_time

ROOM_BYTES = 1 << 20
"""A disk with less room than this is called full: a transaction of the journal may want so much."""
_COUNTERS = {"run", "seen_at", "reported_at", "last_at", "heartbeat", "past"}
_MEASURES = {"containers", "rows", "latency", "host", "timeline", "metrics_missing", "ports", "branches"}
_AT_ONCE = tuple(name for name in ViewState.__struct_fields__ if name not in _COUNTERS | _MEASURES)
_OF_THE_RUN = tuple(name for name in RunView.__struct_fields__ if name != "seq")


def is_news(before: ViewState, now: ViewState) -> bool:
    """Whether anything happened between the two; a reading that is much like the one before it is no news."""
    if now is before:
        return False
    return (
        _differ(before, now, _AT_ONCE)
        or _differ(before.run, now.run, _OF_THE_RUN)
        or any(_first(before, now, name) for name in _MEASURES)
        or _otherwise(before.containers, now.containers, _unmeasured)
        or _otherwise(before.latency, now.latency, _answers)
        or (now.heartbeat is not None and _revived(before, now))
    )


def pressing_lines(lines: Iterable[LogLine]) -> bool:
    """Whether any of the lines is one that the log pane shows without being asked."""
    return any(not own_probe(line) for line in lines)


def _differ(before: object, now: object, names: Iterable[str]) -> bool:
    for name in names:
        old, new = getattr(before, name), getattr(now, name)
        if old is not new and old != new:
            return True
    return False


def _first(before: ViewState, now: ViewState, name: str) -> bool:
    """Whether something is read of that kind that was not read before."""
    old, new = getattr(before, name), getattr(now, name)
    if isinstance(new, dict):
        return old is not new and old.keys() != new.keys()
    return bool(new) and not old


def _otherwise(before: Mapping[str, Any], now: Mapping[str, Any], look: Any) -> bool:
    return before is not now and any(
        name not in before or (before[name] is not new and look(before[name]) != look(new))
        for name, new in now.items()
    )


def _unmeasured(reading: ContainerReading) -> tuple[object, ...]:
    return reading.state, reading.health, reading.restarts, reading.started_at, reading.instance


def _answers(samples: tuple[LatencySample, ...]) -> bool:
    return bool(samples) and samples[-1].seconds is not None


def _revived(before: ViewState, now: ViewState) -> bool:
    """Whether another engine gives signs of life, or the first one at all."""
    old, new = before.heartbeat, now.heartbeat
    return new is not None and (old is None or (old.pid, old.host) != (new.pid, new.host))


TAIL_LINES = 3000
MOST_WAITING_LINES = 20_000
BATCH = 2000
LOOK_EVERY = (10.0, 60.0, 120.0)
"""Seconds between two looks at each window of the history."""
FIRST_LOOKS = 2.0
"""So often while there is none yet, and where time runs fast."""
YOUNG_LOOKS = 5.0
"""While it is young: as long as its shortest part. The newest probes are drawn besides."""


@dataclass(frozen=True)
class Update:
    """What happened since the last one: the newest view, and new log lines in order."""

    view: ViewState
    lines: tuple[LogLine, ...] = ()
    lost_lines: int = 0
    """Lines thrown away because nobody took them, or because the spool's segment was gone."""


class Feed:
    """The mailbox between a feed's thread and the screen. Subclasses say where events come from."""

    def __init__(self, state: Path | None = None) -> None:
        self.state = state
        self._past: Past | None = None
        self._window = 0
        self._look_now = threading.Event()
        self._lock = threading.Lock()
        self._view = self._taken = self._taken_from = ViewState()
        self._lines: deque[LogLine] = deque()
        self._lost = 0
        self._posted = False
        self._notify: Callable[[], None] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, notify: Callable[[], None]) -> None:
        """Begin; `notify` is called from the feed's thread when there is something to take."""
        self._notify = notify
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()
        if self.state is not None:
            threading.Thread(target=self._look_back, args=(self.state,), name="past", daemon=True).start()

    def look_back(self, window: int) -> None:
        """Read another window of the history (an index of trends.WINDOWS) from now on."""
        self._window = window
        self._look_now.set()

    def stop(self) -> None:
        """End, without waiting for longer than half a second."""
        self._stop.set()
        self._look_now.set()
        if self._thread is not None:
            self._thread.join(0.5)

    def take(self) -> Update:
        """The newest view (the same object while nothing changed) and the lines that came since the last
        take.

        Never blocks.
        """
        with self._lock:
            if self._taken.past is not self._past or self._taken_from is not self._view:
                self._taken = msgspec.structs.replace(self._view, past=self._past)
                self._taken_from = self._view
            update = Update(self._taken, tuple(self._lines), self._lost)
            self._lines.clear()
            self._lost = 0
            self._posted = False
        return update

    def _run(self) -> None:
        raise NotImplementedError

    def _deliver(
        self, view: ViewState, lines: list[LogLine], lost: int = 0, *, announced: bool = True
    ) -> None:
        """Put it into the mailbox; what is not announced waits there until somebody looks."""
        with self._lock:
            self._view = view
            self._lines.extend(lines)
            self._lost += lost
            while len(self._lines) > MOST_WAITING_LINES:
                self._lines.popleft()
                self._lost += 1
        if announced:
            self._announce()

    def _look_back(self, state: Path) -> None:
        """Read the latencies' history again and again; in a thread of its own, the journal does not wait."""
        from wsdash.history.reader import HistoryReader
        from wsdash.history.store import FILE as HISTORY
        from wsdash.tui.feeds.past_reader import PastReader

        reader = HistoryReader(state / HISTORY)
        past_reader = PastReader(reader)
        while not self._stop.is_set():
            self._look_now.clear()
            window = self._window
            with self._lock:
                view = self._view
            until = run_time(view, time.time())
            if view.feed != "waiting":
                passing = view.run.passing
                # in a time of its own samples come late, and nothing of it is over
                anew = passing is not None and not passing.over
                try:
                    past = past_reader.read(window, until, anew=anew)
                except InputError as error:
                    past = Past(window, until, until, trouble=error.what)
                with self._lock:
                    awaited = self._past is None or self._past.window != window
                    self._past = past
                if awaited:
                    self._announce()
            self._look_now.wait(_next_look(self._past, view))
        reader.close()

    def _announce(self) -> None:
        with self._lock:
            tell, self._posted = not self._posted, True
        if tell and self._notify is not None:
            with contextlib.suppress(RuntimeError):  # the screen is just ending
                self._notify()


def _next_look(past: Past | None, view: ViewState) -> float:
    """Seconds until the history is looked at again."""
    fast = view.run.passing is not None and view.run.passing.scale > 1
    if past is None or not past.series or fast:
        return FIRST_LOOKS
    return YOUNG_LOOKS if past.until - past.since < YOUNG_SECONDS else LOOK_EVERY[past.window]


class Follower:
    """Follows one state directory's journal and spool; for one thread. Opens both strictly for reading."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._reader: JournalReader | None = None
        self._spool = SpoolReader(state)
        self._cursor: SpoolCursor | None = None
        self._since = time.monotonic()
        self._looked = 0.0
        self._unread = False
        """Whether the last batch was full: a journal that nobody writes to any more has a rest, too."""

    def poll(self, view: ViewState) -> tuple[ViewState, list[LogLine], int, bool]:
        """The view after what is new, new log lines, lost lines, and whether there may be more at once."""
        try:
            view, entries, more = self._journal(view)
        except (InputError, msgspec.MsgspecError) as error:
            self.close()
            self._reader, self._unread = None, False
            return msgspec.structs.replace(view, trouble=self._trouble(error)), [], 0, False
        lines, lost = self._logs()
        if entries:
            lines = sorted([*lines, *entries], key=lambda line: line.at)
        return view, lines, lost, more

    def close(self) -> None:
        """Let go of the files."""
        if self._reader is not None:
            self._reader.close()

    def _journal(self, view: ViewState) -> tuple[ViewState, list[LogLine], bool]:
        if self._reader is None:
            self._reader = JournalReader(self.state)
        if not self._unread and not self._reader.changed():
            return self._after_death(view), [], False
        events = self._reader.events(view.seq, BATCH)
        self._unread = len(events) == BATCH
        before, view = view, fold_all(events, view)
        beat = self._reader.heartbeat()
        if (beat, view.feed, view.trouble, view.unwritten) != (before.heartbeat, "journal", "", ""):
            view = msgspec.structs.replace(view, heartbeat=beat, feed="journal", trouble="", unwritten="")
        entries = [line for event in events if (line := as_line(event)) is not None]
        return view, entries, self._unread

    def _logs(self) -> tuple[list[LogLine], int]:
        if self._cursor is None:
            lines, self._cursor = self._spool.tail(TAIL_LINES)
            return lines, 0
        before = self._cursor.skipped
        lines, self._cursor = self._spool.read(self._cursor, BATCH)
        return lines, self._cursor.skipped - before

    def _trouble(self, error: Exception) -> str:
        if (self.state / FILE).exists():
            return f"the journal cannot be read: {error}"
        waited = time.monotonic() - self._since
        last = self._last_words()
        if last and waited > 1.0:
            return last
        return f"there is no journal in {self.state} yet" if waited > IMPATIENT_SECONDS else ""

    def _last_words(self, after: float = 0.0) -> str:
        """What an engine that did not come up wrote last, '' when it wrote nothing after `after`."""
        try:
            written = (self.state / LOG_FILE).stat().st_mtime
        except OSError:
            return ""
        lines = engine_log_tail(self.state, 4).splitlines() if written > after else []
        first = next((n for n, line in enumerate(lines) if line.startswith("wsdash:")), None)
        if first is not None:
            return " | ".join(line.strip() for line in lines[first:])
        return lines[-1] if lines and "Error" in lines[-1] else ""

    def _after_death(self, view: ViewState) -> ViewState:
        """An engine that was started again and failed says why in its log only; one that cannot write its
        journal still holds its lock, and renews its sign of life there."""
        beat = view.heartbeat
        now = time.time()
        if beat is None or now - beat.at < LAST_WORDS_SECONDS or now - self._looked < LAST_WORDS_SECONDS:
            return view
        self._looked = now
        words, unwritten = self._last_words(beat.at + 1.0), self._unwritten(beat.pid)
        if (words, unwritten) == (view.trouble, view.unwritten):
            return view
        return msgspec.structs.replace(view, trouble=words, unwritten=unwritten)

    def _unwritten(self, pid: int) -> str:
        """Why the engine writes nothing though it lives, '' where it does not."""
        holder = living_holder(self.state)
        if holder is None or holder.pid != pid or time.time() - holder.heartbeat > GONE_SECONDS:
            return ""
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self.state).free < ROOM_BYTES:
                return f"its disk is full: free space in {self.state}"
        return f"its journal in {self.state} takes nothing; see {LOG_FILE} there"


class JournalFeed(Feed):
    """Follows the run in `state`, waiting for its journal to appear. The journal is only read."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.state: Path = state

    def _run(self) -> None:
        follower = Follower(self.state)
        view = announced = ViewState()
        pressing, announced_at = False, 0.0
        while not self._stop.is_set():
            before, (view, lines, lost, more) = view, follower.poll(view)
            if view is not before or lines or lost:
                self._deliver(view, lines, lost, announced=False)
                pressing = pressing or lost > 0 or pressing_lines(lines) or is_news(announced, view)
            if pressing and time.monotonic() - announced_at >= DELIVER_SECONDS:
                self._announce()
                announced, pressing, announced_at = view, False, time.monotonic()
            if not more:
                self._stop.wait(POLL_SECONDS)
        follower.close()


def as_line(recorded: Recorded) -> LogLine | None:
    """An item's end or a notice as a line of the log pane, so that logs tell the story too."""
    event = recorded.event
    if isinstance(event, ItemChanged) and event.state is not ItemState.PENDING:
        look = ITEM[event.state]
        seconds = f" in {took(event.seconds)}" if event.seconds else ""
        text = f"{look.glyph} {event.item} {look.word}{seconds}"
        return LogLine(
            "wsdash", recorded.at, "wsdash", f"{text}: {event.evidence}" if event.evidence else text
        )
    if isinstance(event, Notice):
        look = NOTICE.get(event.level, NOTICE["info"])
        return LogLine("wsdash", recorded.at, "wsdash", f"{look.glyph} {look.word}: {event.text}")
    return None


def alive(beat: Heartbeat | None, now: float) -> bool:
    """Whether an engine gave a sign of life in the journal lately."""
    return beat is not None and not beat.gone(now)
