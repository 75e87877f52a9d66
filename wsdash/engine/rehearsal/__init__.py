"""The rehearsal: the whole offline migration on the new stack while the old service goes on serving.

The steps are the night's own. They work on a copy of the target's database that has its name meanwhile
(`data/rehearsal/trial_database.py`), read the source in one snapshot that is held until the comparison is
over (so that a difference is a fault, and never movement), and keep their facts in memory: the run's journal
gets what was found, and the target nothing. `conduct` does it, `tidy` clears up after it and after one that
was killed; `engine/outlook` tells the downtime to expect, and puts it all into lines for people.
"""
