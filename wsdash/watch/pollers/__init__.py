"""The pollers: each reads one part of the world on a schedule. `poller` is their one loop."""
