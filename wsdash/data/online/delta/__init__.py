"""What changed on the side that is left since a position, and its way into the side that is entered.

Promised: a delta is read in one snapshot and written in one transaction together with its new position, so
that it is never applied in part and does no harm when applied twice. `transfer` reads and writes it, `lookup`
finds its rows without a plan that takes minutes, `routes` says where a row goes through a mapping,
`conflicts` finds rows that somebody else changed on a closed side, `sequences` follow.
"""
