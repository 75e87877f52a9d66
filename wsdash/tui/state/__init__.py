"""What a screen knows: pure folds and judgements, without a widget.

`viewstate` folds the journal's events into one immutable state; `freshness` says how alive the engine and
each source of readings is, `transfers` how far a running item is, `past` what the latencies were, `loglines`
which log lines there are. None of it draws.
"""
