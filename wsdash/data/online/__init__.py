"""A schema moves while it is written to, and comes back, without losing a write.

Promised: what was committed on the side that is open arrives on the other one, exactly once and as it is;
never are both sides open; a process that dies, stops or is cut off at any moment leaves one of them
open, or both closed and all that is needed to go on. Nothing of a server's configuration is changed. How:
docs/online.md.

- tracked, objects, capture: triggers that note the key of every changed row, on either side.
- position, delta, link: what is new since a snapshot, carried over with that snapshot in one transaction.
- refusals, window: what speaks against it, before anything is changed and before the switch.
- cutover: the switch as a table of stages; move_state: its state, from the two sides alone.
- comparison: a moving side compared with the other one at one held snapshot.
"""
