"""Comparing both sides by content: as item `verify-data`, and at any other time."""
