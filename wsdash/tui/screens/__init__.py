"""The main screens: the monitor's, which only looks, and the operator's."""
