"""The data room on a real TimescaleDB: what imitations cannot show. Marked `timescaledb`."""
