"""The process supervisor: runs the demo's services as an engine runs containers.

`main` is its program, `daemon` its inside, `process` one service; `wsdash.stack.local.stack` is its client.
"""
