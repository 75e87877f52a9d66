"""Pictures of every screen: what it shows as text, and how each line looks as a short digest.

`python -m tests.tui.snapshots` takes them anew, one file a size; look at the difference before you commit it.
Text, because a change of a word is then a change of a line; an SVG of each would be 10 MB.
"""
