"""The plan performed: which item is next, check, act, check again, and the fold of what the journal says
of it.
"""
