#!/bin/sh
# The pageserver's container: the storage broker and the control stub beside the pageserver.
# The broker is how the pageserver learns of safekeepers; without the stub nothing would ever be trimmed.
set -eu

home=/data/.neon

# Written anew at each start: this file is the truth, what is in the volume is data.
printf 'id=1234\n' > "$home/identity.toml"
cat > "$home/pageserver.toml" <<'TOML'
broker_endpoint='http://127.0.0.1:50051'
pg_distrib_dir='/usr/local/'
listen_pg_addr='0.0.0.0:6400'
listen_http_addr='0.0.0.0:9898'
remote_storage={local_path='/data/.neon/remote'}
control_plane_api='http://127.0.0.1:6666'
control_plane_emergency_mode=true
virtual_file_io_mode='buffered'
# Layers are dropped from the disk (and copied again when they are asked for) where it is fuller than this. The
# default is 80 %: on a disk that other things fill it would drop all of them, again and again.
disk_usage_based_eviction={enabled=true, max_usage_pct=90, min_avail_bytes=1000000000, period='60s'}

# A compaction takes up to ten times this much memory (the default: 2560 MB), a flush once: within the limit.
[tenant_config]
checkpoint_distance=33554432
TOML

# Each is started again when it ends: neither may be missing as long as the pageserver runs.
keep() {
  while :; do
    "$@" || true
    echo "$1 ended; it is started again" >&2
    sleep 1
  done
}
keep storage_broker --listen-addr=0.0.0.0:50051 &
keep perl /neon/control-stub.pl 6666 "$home" &

exec pageserver -D "$home"
