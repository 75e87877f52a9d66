"""Every row of a schema copied into the target: exact, resumable, from one snapshot.

`run` copies; `plan` divides tables into ranges; `manifest` keeps, in the target, which ranges are complete;
`indexes` builds what follows the rows.
"""
