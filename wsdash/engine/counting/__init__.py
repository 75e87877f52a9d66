"""What the engine counts in the databases for whoever watches: rows of both sides, and free connections.

Each count is a question that `watch` asks at its own pace; no session is opened for it, and no error of a
server ends the watching.
"""
