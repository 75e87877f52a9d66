"""Fourteen days lived in minutes, on a clock of their own: what `wsdash demo --fortnight` hands the engine.

`ScriptedDays` is an engine's `EventSource` over a `Script`, which is handed a `Life` (time that passes,
readings, people). What a script says goes the way of real readings: journal, history, alert rules, timeline.
"""

from wsdash.demo.days.life import FortnightBegun, Life, Script
from wsdash.demo.days.source import FORTNIGHT, ScriptedDays

__all__ = ["FORTNIGHT", "FortnightBegun", "Life", "Script", "ScriptedDays"]
