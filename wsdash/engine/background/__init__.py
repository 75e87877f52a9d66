"""What lives beside a run: pollers, alerts, the recording of history and logs, the metrics page."""
