"""The screens: a pure fold of journal events into one view state, and panes that render it.

`feed` delivers states, `viewstate` folds them, `app` shows them in `screens`, which are made of `panes`.
Intents go out through the operator's control client; the monitor holds none. No database, no Docker.
"""
