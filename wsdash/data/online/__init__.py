"""A schema moves while it is written to, and comes back, without losing a write.

Promised: what was committed on the side that is open arrives on the other one, exactly once and as it is;
never are both sides open; a process that dies, stops or is cut off at any moment leaves one of them
open, or both closed and all that is needed to go on. Nothing of a server's configuration is changed. How:
docs/online.md.

Four rooms, each built on those before it:

- capture: triggers that note the key of every changed row, on either side; a side's state and position.
- delta: what changed since a position, written into the other side; conflicts, sequences, mapped tables.
- sync: the move itself; the copy at one snapshot, and catching up until the two sides are alike.
- switch: what speaks against it, the fence, and the cutover as a table of stages.
"""
