"""Steps: how each item of the checklist is checked, done and undone. Glue: `data` and `stack` do the work.

`base` says what a step is, `registry` binds each to its item's id. The items are in packages by what they
work on: `services`, `database`, `trials` (of the API), `online`; `publishing` is what the team is handed.
"""
