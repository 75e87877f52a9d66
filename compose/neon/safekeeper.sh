#!/bin/sh
# The safekeeper. It must advertise a name that the pageserver can reach: by default it would say 0.0.0.0.
set -eu

# No backup of WAL: with one, every segment is kept for ever beside the data (only the deletion of its timeline
# removes it). Without one, WAL is removed as soon as the pageserver has stored what it says.
exec safekeeper -D /data/.neon --id=1 \
  --listen-pg=0.0.0.0:5454 \
  --advertise-pg=workspace-db-safekeeper:5454 \
  --listen-http=0.0.0.0:7676 \
  --broker-endpoint=http://workspace-db-pageserver:50051 \
  --disable-wal-backup
