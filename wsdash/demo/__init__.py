"""The embedded world: real servers, both generations of the API, and stand-ins for what is not at hand.

Only `cli` knows this room. `world.build` makes it, `supervisor` keeps its processes, `api` and `standins` are
what runs there, `traffic` its users, `days` fourteen days on a clock of their own.
"""
