"""Where a screen's state comes from: the journal and the log spool, this process's own look, the history.

Each feed reads in a thread of its own and hands over states; no feed holds a control object.
"""
