"""The count of what is left over: whatever of a schema no reader explains becomes a line, never nothing.

`known` is the table of every system catalog and each of its columns, with what becomes of what a user can
put there; a server that has a catalog or a column the table does not know is named in the comparison.
`objects` walks the catalogs at run time and lists the objects that no item of the comparison covers.
"""

from wsdash.data.catalog.census.known import KNOWN, NEWEST, Fate, read_unknown
from wsdash.data.catalog.census.objects import read_unexplained

__all__ = ["KNOWN", "NEWEST", "Fate", "read_unexplained", "read_unknown"]
