"""What wsdash puts into a database to know which rows changed, and what it reads there of a side's state.

Promised: a change that commits is noted in the same transaction; a closed side refuses every writer; every
trace can be taken away again. `install` puts it there and takes it away, `objects` is its SQL, `position`
reads a side's state, `structure` what a delta relies on, `overhead` measures what capture costs.
"""
