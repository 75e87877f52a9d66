"""A backup: one snapshot of a schema as a plain SQL file that `psql` alone can restore, with a manifest.

`take` writes it; `restore.run` restores it into a scratch database and compares counts and checksums with
the snapshot: only then does it count. `manifest` is what the file says of itself.
"""
