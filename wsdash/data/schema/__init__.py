"""A schema made in the target, and compared with the source's object by object.

`ddl` puts the statements in order, `apply` runs them, `compare` tells the fate of every object: same,
created, adapted, not carried, blocked. Its judgement of one object is the one that both use.
"""
