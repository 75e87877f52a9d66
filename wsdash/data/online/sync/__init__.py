"""Two sides kept alike: the copy, then deltas until the one that is entered keeps up.

`move` says what moves between which sides, `copying` copies and compares a side at one snapshot while it is
written to, `link` holds the sessions on both sides and applies deltas over them, `follow` does so for as long
as it takes, and `crashed` finds the tables that a server's crash emptied.
"""
