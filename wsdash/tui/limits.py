"""The paces of the screen and what it waits for, in seconds, each with its reason."""

from __future__ import annotations

TICK_SECONDS = 0.5
"""Between two drawings of what changes by time alone, ages and clocks."""
FIRST_SIGN_SECONDS = 15.0
"""So long an engine that we started may take to give its first sign of life."""
POLL_SECONDS = 0.08
"""Between two looks at the journal: an event is on the screen within a quarter of a second."""
DELIVER_SECONDS = 0.1
"""Between two states that the screen is handed: at most ten a second."""
IMPATIENT_SECONDS = 5.0
"""How long a state directory may have no journal before the screen says so."""
LAST_WORDS_SECONDS = 3.0
"""An engine without a sign of life for so long may be dead: its lock and log are read, as often as this."""
YOUNG_SECONDS = 600.0
"""A history younger than this is looked at more often."""
LATE_SECONDS = 15.0
"""So long after its end a part may still get samples: they are written two seconds after they were taken."""
ANEW_SECONDS = 300.0
"""After so long every part is read again: an engine that was started again adds what its crash lost."""
LIVE_SECONDS = 2.5
"""An engine whose newest sign of life is younger than this is alive: it gives one a second."""
STALE_SECONDS = 15.0
"""A source whose newest reading is older than this is stale, whatever it says of itself."""
AGAIN_SECONDS = 3.0
"""Between two observations of its own, where one ended or failed."""
GRACE_SECONDS = 1.0
"""How long the journal may take to show a living engine before this process polls by itself."""
STALE_LAG_SECONDS = 10.0
"""After so long a reading of the lag is out of date."""
STALE_BRANCHES_SECONDS = 60.0
"""Branches are read every ten seconds; what is older than this is out of date."""
REPORT_LOOK_SECONDS = 2.0
"""Between two looks at whether the report's file was written anew."""
SHOT_READ_SECONDS = 60.0
"""For the whole journal of a run to be read."""
END_SECONDS = 1.5
"""An orderly end may take so long; then the process ends anyway, since its terminal may be blocked."""
TMUX_SECONDS = 2.0
"""For tmux to take selected text."""
HOLE_SECONDS = 5.0
"""Two samples of a latency that are further apart have a gap between them."""
