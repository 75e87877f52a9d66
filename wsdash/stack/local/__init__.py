"""Supervised local processes as a stack: the client of the demo's supervisor."""
