"""A state put into words and signs: pure functions from a view state to styled text.

`looks` has the glyph, word and style of every status, `cells` what lines are made of, `lead` the line that
leads, `consequences` what a person must know before a choice, `plot` a latency series in blocks.
"""
