"""One operator a run: the lock, the control socket, and how an engine is started and found."""
