"""Diagnostics: what wsdash depends on, whether it is well, and what to do where it is not. `run` asks
everything.
"""
