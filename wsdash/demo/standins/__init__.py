"""Stand-ins for what cannot be had without Neon's images: pageserver, safekeeper, and days of readings."""
