"""The process that does things: it holds the lock, runs the plan, polls, and alone writes the journal.

`process.serve` is the way in. `run` performs items, `journal` remembers, `operator` lets one operator in,
`background` lives beside a run, `rehearsal` tries it beforehand. `observe` and `dryrun` only look.
"""
