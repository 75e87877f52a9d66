"""The new API tried: its functions and times, the guide's testing checklist, and load."""
