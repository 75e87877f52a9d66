"""Steps of mode online: capture, copy, catch-up, comparison, the switch, and what comes after it; and back.

Which side is open is read from the two databases alone; facts of the run hold only what people chose.
"""
