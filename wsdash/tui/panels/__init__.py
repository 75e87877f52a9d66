"""What opens over the main screen to be read: alerts, databases, evidence, keys, metrics, report, days ..."""
