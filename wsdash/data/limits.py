"""The time limits of everything that is asked of a PostgreSQL server, in seconds, each with its reason."""

from __future__ import annotations

TIMEOUT = 60.0
"""One question to a catalog or a table of our own, or one quick command: longer means that it waits behind
a lock, or that nobody answers."""
METER_SECONDS = 0.1
"""How often progress goes to the journal: more is not seen."""

READ_PAUSE_SECONDS = 0.2
"""Before a catalog is read again that changed while it was read."""

BEGIN_SECONDS = 60.0
"""To begin the transaction of one range and to open its COPY."""
TRIGGER_SECONDS = 3600.0
"""Ranges of a table whose triggers must be held off wait for each other."""
COUNT_SECONDS = 3600.0
"""To count every row of a large table on a slow disk."""
ONE_COUNT_SECONDS = 15.0
"""To count the rows of one table while an item waits for it."""
COPY_COMMIT_SECONDS = 300.0
"""One range's commit: only its own rows and its line in the manifest."""
TICK_SECONDS = 0.5
"""Between two looks at the progress of a copy."""
VIEW_SECONDS = 10.0
"""One look at the server's progress views."""

PROBE_SECONDS = 3600.0
"""To ask every row of a large table whether it fits the mapping."""
FILL_SECONDS = 3600.0
"""To fill the key map of a large table."""

CONNECT_TIMEOUT = 10.0
"""To a server that is there; more than a packet lost twice."""
STARTING_SECONDS = 30.0
"""How long a server that starts up, shuts down or recovers is asked again before that is an error."""
STARTING_PAUSE = 0.25
"""Between two attempts at a server that is starting."""
ANSWER_SECONDS = 10.0
"""The first questions of a new session."""
SESSION_ANSWER_SECONDS = 20.0
"""How long the server may take to begin or to take back."""
COMMIT_SECONDS = 600.0
"""How long a commit may take: deferred constraints are checked in it."""
STALL_SECONDS = 300.0
"""A stream in which no byte moves for so long is given up."""
LAST_WORDS_SECONDS = 0.3
"""How long a half whose connection is gone may take to tell the server's own reason."""

REHEARSED_STATEMENT_SECONDS = 120.0
"""One statement on empty or nearly empty tables."""
DOUBLES_SECONDS = 600.0
"""To look in the source whether an inheriting table's children repeat a key: every row is read."""
TRIAL_PAUSE_SECONDS = 0.25
"""For the sessions that were ended to leave a database, before its name is taken again."""

STATEMENT_TIMEOUT = 6 * 3600.0
"""Seconds for one statement: an index over a very large table takes its time."""
FILE_TIMEOUT = 3600.0
"""One statement of the operator's schema file: it may fill a table."""

ABANDONED_SECONDS = 24 * 3600.0
"""After this long a scratch database of another host that nobody is connected to counts as left behind."""
STATEMENT_SECONDS = 3600.0
"""The longest a single command (an index build, a checksum) may take."""

RETAKE_SECONDS = 1.0
"""The pause before all is read anew."""
LOCK_SECONDS = 60.0
"""How long we wait for a table that somebody holds exclusively."""
HEARTBEAT_SECONDS = 5.0
"""How often the holder proves that its snapshot is alive: below the idle limits of firewalls."""
UNHELD_SECONDS = 5.0
"""How long a session waits for a lock that it could not take together with the others."""
BUSY_SECONDS = 1.0
"""Before the snapshot is tried again behind an ALTER that waits."""

CHECKSUM_SECONDS = 6 * 3600.0
"""The longest a checksum of one table may take."""
SAMPLE_SECONDS = 60.0
"""To read one block in so many for the borders of the parts."""
SHORT_SECONDS = 600.0
"""The longest a query of a lone pair may take: it reads little."""

CAPTURE_LOCK_MILLISECONDS = 200
"""How long capture waits for the lock on a table, and writers behind it."""
CAPTURE_LOCK_ATTEMPTS = 100
"""How often it asks for one table's lock before that is an error."""
CAPTURE_LOCK_PAUSE_SECONDS = 0.25
"""Between two attempts, about: writers get their turn."""
OVERHEAD_SECONDS = 10.0
"""To time capture on a copy of one row."""
SIDE_SECONDS = 20.0
"""One question about a side's state, or one command of the fence: writers wait meanwhile."""
SIDE_PAUSE_SECONDS = 0.2
"""Before a side that did not answer is asked again."""
SETTLE_SECONDS = 60.0
"""How long we ask what became of a COMMIT whose answer was lost."""
OPEN_SECONDS = 120.0
"""How long a side that must be opened is tried again: its server may be starting."""
OLD_WRITER_SECONDS = 1.0
"""A writer that has been open for so long may stay open for long: the fence would wait for it in vain."""
LOCKING_DELTA_SECONDS = 30.0
"""Writing a delta locks a real hypertable's chunks, as VACUUM does, and stops before a switch. A session of
wsdash that holds them for longer is named like anybody's."""
DELTA_SECONDS = 3600.0
"""One statement that reads or writes the rows of a delta."""
CONFLICTS_SECONDS = 600.0
"""One statement that looks for rows which somebody else changed on a closed side."""
FOLLOW_POLL_SECONDS = 0.25
"""The pause when there was no new change."""
FOLLOW_RETRY_SECONDS = 1.0
"""Before a side whose server went away is tried again."""
TIDY_SECONDS = 30.0
"""How often log lines that are on the other side are removed."""
