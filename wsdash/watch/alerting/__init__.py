"""Alerts: rules as data, one pure judgement for life and replay, who knows of them, and who is notified."""
