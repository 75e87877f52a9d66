"""Pollers: each reads one part of the world on a fixed schedule and yields typed readings."""
