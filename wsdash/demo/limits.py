"""The time limits and paces of the embedded world, in seconds, each with its reason."""

from __future__ import annotations

API_CONNECT_SECONDS = 3.0
"""For the API to reach its database on this machine."""
API_QUERY_SECONDS = 10.0
"""One query of the API."""
DASHBOARD_SECONDS = 3.0
"""For the API to answer the dashboard page."""
LOOK_SECONDS = 0.3
"""Between two looks at whether the migration, after which the days begin, is over."""
SHUTDOWN_SECONDS = 5.0
"""For requests under way when a service is told to end."""
BRANCH_COPY_SECONDS = 120.0
"""To copy a database of a million rows as a branch."""
BRANCH_SQL_SECONDS = 30.0
"""One statement on the compute."""
ATTACH_SECONDS = 0.2
"""As long as a real pageserver shows a tenant as attaching."""
DELETE_SECONDS = 0.2
"""As long as a real pageserver shows a timeline as stopping."""
WAIT_LSN_SECONDS = 300.0
"""The real pageserver's own limit of waiting for an LSN."""
INGEST_LAG_SECONDS = 0.25
"""How far the pageserver is behind the safekeeper, as in a healthy stack."""
STANDIN_READ_SECONDS = 300.0
"""A client of the PostgreSQL port that says nothing for so long is dropped."""
MEASURE_SECONDS = 1.0
"""Between two measurements of all services."""
LEASE_POLL_SECONDS = 0.1
"""Between two looks at whether the lease has run out."""
GUARDIAN_GRACE_SECONDS = 5.0
"""For services to end by themselves before the guardian kills them."""
PROGRAM_SECONDS = 10.0
"""For a program to answer that it is there."""
SPAWN_SECONDS = 10.0
"""For a supervisor that was started to answer."""
SUPERVISOR_LOCK_SECONDS = 20.0
"""For another process that starts the same supervisor to be done."""
SETTLED_SECONDS = 10.0
"""A service that ran this long starts again with the shortest pause."""
STARTING_POLL_SECONDS = 0.1
"""Between two probes while a service starts: its dependents wait for it."""
TREE_POLL_SECONDS = 0.03
"""Between two looks at processes that are to end."""
CROWD_CALL_SECONDS = 10.0
"""One request of a client; after it the answer counts as lost."""
AWAY_SECONDS = 1.0
"""A client that was taken at another address comes back to the first one after so long."""
CROWD_REPORT_SECONDS = 10.0
"""Between two lines of the log."""
TALLY_SECONDS = 1.0
"""Between two writings of tally.json."""
JUDGE_SECONDS = 300.0
"""To read every row of the items for the comparison with the ledger."""
SETTLE_SECONDS = 10.0
"""A gap that ended so long after the switch belongs to it."""
GAP_SECONDS = 0.05
"""A pause between two acknowledged writes from which on it counts as a gap."""
BUILD_REPORT_SECONDS = 0.1
"""Between two reports of how many rows are loaded."""
DDL_SECONDS = 120.0
"""One statement of the schema on a busy machine."""
SINGLE_SECONDS = 60
"""For a server in single-user mode to run one script."""
LOAD_SECONDS = 3600.0
"""One load: a million items need a few minutes on a slow machine."""
SCRATCH_START_SECONDS = 30.0
"""For a scratch server to accept connections."""
SCRATCH_STOP_SECONDS = 10.0
"""For a scratch server to stop before it is killed."""
HEALTH_SECONDS = 0.5
"""Between two health checks of a service."""
POOL_SECONDS = 5.0
"""For a request to get a session of the API's pool."""
POOL_END_SECONDS = 3.0
"""For the API's sessions to end with it."""
POLL_SECONDS = 0.05
"""Between two looks at a supervisor, its lock or a service that is to come up or to end."""
ASK_SECONDS = 2.0
"""For a supervisor to say that it is there."""
CONNECT_SECONDS = 1.0
"""To connect to its socket, on this machine."""
SHUT_DOWN_SECONDS = 60.0
"""For a supervisor to stop every service and end."""
SHUT_DOWN_CALL_SECONDS = 5.0
"""For it to take the order."""
ROUTES_END_SECONDS = 0.5
"""For its answers under way when it ends."""
EVENTS_QUIET_SECONDS = 5.0
"""Without an event for so long it sends an empty line, so that a listener knows that it is alive."""
PUMP_SECONDS = 1.0
"""For the last lines of a service that has ended."""
KILL_SECONDS = 5.0
"""For all processes of a service to be gone once they were killed."""
KILL_POLL_SECONDS = 0.01
"""Between two looks at whether they are."""
