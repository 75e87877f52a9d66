"""The cutover: from the question whether it is possible to the moment the other side takes writes.

Promised: until the stage `close` has committed, ending one transaction undoes everything; from then on the
way is forward only. `refusals` finds what makes a move impossible, `window` what speaks against switching
now, `fence` holds writers off, `cutover` runs the stages, and `move_state` reads which side is open.
"""
