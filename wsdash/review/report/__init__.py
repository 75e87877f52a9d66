"""The report: built from the journal, rendered as JSON, Markdown and HTML. `build` is the way in."""
