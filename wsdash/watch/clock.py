"""Time as the pollers see it."""

from wsdash.clock import Clock, SystemClock

__all__ = ["Clock", "SystemClock"]
