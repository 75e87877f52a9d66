#!/bin/sh
# The safekeeper. It must advertise a name that the pageserver can reach: by default it would say 0.0.0.0.
set -eu

exec safekeeper -D /data/.neon --id=1 \
  --listen-pg=0.0.0.0:5454 \
  --advertise-pg=workspace-db-safekeeper:5454 \
  --listen-http=0.0.0.0:7676 \
  --broker-endpoint=http://workspace-db-pageserver:50051 \
  --remote-storage="{local_path='/data/.neon/wal'}"
