"""Steps: how each item of the checklist is checked, done and undone. Glue: `data` and `stack` do the work.

`base` says what a step is, `registry` binds each to its item's id.
"""
