"""Kinds of schema objects that are neither tables nor what hangs on them.

`made` reads what DDL of ours makes again: collations, text search objects, conversions, operators with
their classes and families, aggregates, casts. `around` reads what belongs to the database and not to the
schema, and `parts` what single partitions and chunks have beside what their parent gives them. Every object
that is not carried becomes an item that says why: nothing is passed over in silence.
"""

from wsdash.data.catalog.kinds.around import read_around
from wsdash.data.catalog.kinds.made import read_made

__all__ = ["read_around", "read_made"]
