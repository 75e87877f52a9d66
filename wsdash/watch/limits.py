"""The time limits and paces of pollers and alerts, in seconds, each with its reason."""

from __future__ import annotations

CHANNEL_TIMEOUT = 15.0
"""For a webhook or a command to take one message."""
GIVE_UP_SECONDS = 6 * 3600.0
"""For how long an outlet that fails is tried again."""
REPEAT_SECONDS = 4 * 3600.0
"""A raised alert that nobody acknowledges is sent again."""
SILENT_SECONDS = 120
"""A probe is asked every second or two, and waits 5 s for its answer: two minutes are no pause."""

TELL_EVERY = 10.0
"""How often what has not changed is reported again: alerts want fresh samples."""
LOOK_EVERY = 1.0
"""How often the error lines of the last minute are counted."""

PROBE_TIMEOUT = 5.0
"""One probe: five times what an alert would be raised for."""
REST = 1.0
"""An API rests as long as it worked on the last question: watching takes half of a slow one's time at most,
and its questions never wait for each other, which would be measured as slowness."""
SILENT_PAUSE = 20.0
"""To which the pause grows after questions without an answer in time: an API goes on working on each."""
FIRST_PAUSE = 0.5
"""Before a broken stream of logs is opened again; it doubles each time."""
LONGEST_PAUSE = 5.0
"""To which that pause grows."""
PAGE_TIMEOUT = 5.0
"""One page of a service's metrics."""
STALE_INTERVALS = 3
"""So many missed readings make a source stale."""
PLAN_SECONDS = 600.0
"""How long a plan of ports is believed before the stack is asked again."""
LONGEST_INTERVAL = 10.0
"""Between two counts of the rows, when counting is slow."""

JUDGE_EVERY = 1.0
"""How often the alert rules are judged."""
