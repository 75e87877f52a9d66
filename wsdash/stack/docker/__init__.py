"""Containers of a Docker engine, by its HTTP API alone.

`stack` is the stack, `client` the requests, `parse` the engine's JSON in our words, `watch` its events,
`follow` and `logs` its containers' output.
"""
