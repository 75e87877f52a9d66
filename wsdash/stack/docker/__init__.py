"""Containers of a Docker engine, by its HTTP API alone.

`stack` is the stack, `place` where the engine is, `client` the requests, `parse` the engine's JSON in our
words, `inspect` what it says of each container, `watch` its events, `follow` and `logs` its
containers' output.
"""
