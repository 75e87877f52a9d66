"""Items that work on containers and services: what must be there before, the old service stopped, the new
stack started, a branch of its storage.
"""
