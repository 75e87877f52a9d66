"""A first configuration: `discover` finds what this machine tells by itself, `write` puts values into the
commented file that is shipped.
"""
