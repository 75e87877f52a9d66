"""The time limits and paces of the engine, in seconds, each with its reason."""

from __future__ import annotations

PAGE_SECONDS = 5.0
"""To make one page of metrics; Prometheus gives up after 10."""
END_SECONDS = 2.0
"""For a page under way when the exporter ends."""
FRESH_SECONDS = 90.0
"""A reading that is older says nothing of now."""
ROWS_FRESH_SECONDS = 300.0
"""A reading that is older says nothing of now; rows are counted less often."""
LOOK_EVERY = 5.0
"""How often it is looked whether samples can be written."""
DAYS_LOOK_SECONDS = 60.0
"""How often the days are judged: their figures are by the minute."""
FAST_LOOK_SECONDS = 1.0
"""How often the days are judged while time runs faster than the machine's."""
WRITER_POLL_SECONDS = 0.002
"""Between two looks whether the journal's thread has written what waits."""
FIRST_LOOK = 2.0
"""Before the days are judged first: the pollers read once before it."""
REMIND_SECONDS = 30.0
"""How often it is looked whether a raised alert is still to be sent."""

TEARDOWN_SECONDS = 60.0
"""To take the demo world down."""
LAST_WORD_SECONDS = 5.0
"""For what must still be noted when everything ends."""

BUSY_SECONDS = 0.5
"""For a reader while a writer holds the journal."""
GONE_SECONDS = 6.0
"""Without a sign of life for so long an engine is taken for dead, by every screen."""
KEEP_SECONDS = 1800.0
"""How long readings stay in the journal; the history keeps their samples."""
GATHER_SECONDS = 0.05
"""Readings and log lines come in bursts: so long the first waits for the others, and each burst is one write
and one look of every screen. History does not wait."""
RETRY_SECONDS = 0.5
"""Before a write that a full disk refused is tried again."""

REFRESH_SECONDS = 2.0
"""How often a monitor without an engine reads the journal: a word may be recorded without an engine."""

HANDLE_SECONDS = 30.0
"""For an intent to be answered; the work itself goes on beside it."""
WRITE_SECONDS = 5.0
"""For a reply to be taken by whoever asked."""
LINE_SECONDS = 5.0
"""From an intent's first byte to its last."""
BEAT_SECONDS = 1.0
"""Between two heartbeats: each is a write, and a screen that reads it costs as well."""
LOCK_SECONDS = 2.0
"""Between two signs of life in the lock, for other hosts."""
PATIENCE = 0.5
"""A screen that merely looks holds the lock for an instant; so a refusal is only final after this long."""

FLUSH_SECONDS = 5.0
"""For the last events to reach whoever listens."""

OLD_SECONDS = 7 * 86_400.0
"""After this long a rehearsal says little about tonight."""

STATISTICS_SECONDS = 10.0
"""One look at a server's statistics."""
COUNT_SECONDS = 15.0
"""The longest one count may take; a table that takes longer is estimated."""
ROUND_SECONDS = 30.0
"""After so much counting, the other tables of a round are estimated."""
CREDIT_SECONDS = 1.0
"""So much counting may be saved up."""

POOL_TIMEOUT = 5.0
"""One question of the connection counter."""
SECONDS_TO_ASK = 8.0
"""Connecting and asking; then the count is unknown, and the alert silent."""

MEASURE_EVERY_SECONDS = 1.0
"""How often processor and memory are read in a rehearsal."""
MEASURE_TIMEOUT = 60.0
"""One reading of what a server used in a rehearsal."""

COMPARE_LOOK_SECONDS = 0.1
"""How soon a comparison ends for an item that writes."""
GRACE_SECONDS = 60.0
"""A container that was asked to start anew answers again that long after at the latest."""
CLEANUP_SECONDS = 20.0
"""For a task to end after its cancellation; then the process ends without it."""

CLOSE_SECONDS = 20.0
"""To put the source's jobs back when the engine ends."""

FIRST_PAUSE = 1.0
"""Before what failed is tried again; it doubles each time."""
LONGEST_PAUSE = 30.0
"""To which that pause grows."""

PROGRESS_SECONDS = 1.0
"""How often the progress of catching up is recorded."""
PANEL_SECONDS = 10.0
"""How often it is looked whether a switch could begin, while the target keeps up."""
OLD_PORT_SECONDS = 3600.0
"""How often the count of who comes to the old port is recorded, while nobody new does."""
FOLD_LOG_SECONDS = 60.0
"""How often the log that keeps the way back open is folded."""
FOLLOW_FIRST_PAUSE = 1.0
"""Before catching up is tried again after a failure; each time twice as long."""
FOLLOW_LONGEST_PAUSE = 30.0
"""The longest of these pauses."""
