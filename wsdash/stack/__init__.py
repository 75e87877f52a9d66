"""Containers behind one protocol (`base.Stack`), be it Docker, the demo's supervisor, or commands and people.

`factory.open_stack` opens the one that the settings name. Read-only stacks send reading requests alone.
"""
