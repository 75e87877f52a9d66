#!/bin/bash
# A second compute on a branch, beside the container's own: branch.sh start TIMELINE | branch.sh stop
# Its PostgreSQL is at port 55433 of the container, its pages are the branch's; it keeps nothing.
set -euo pipefail
umask 077

port=55433
home=/var/db/postgres/branch
config=/var/db/postgres/branch.json
pid=/var/db/postgres/branch.pid

# compute_ctl and its server share a process group of their own; SIGINT is PostgreSQL's fast shutdown
stop() {
  if [ -s "$pid" ]; then
    for signal in INT TERM KILL; do
      kill "-$signal" -- "-$(cat "$pid")" 2> /dev/null || break
      for _ in $(seq 50); do
        kill -0 -- "-$(cat "$pid")" 2> /dev/null || break 2
        sleep 0.1
      done
    done
  fi
  rm -rf "$home" "$config" "$pid" "/tmp/.s.PGSQL.$port" "/tmp/.s.PGSQL.$port.lock"
}

case ${1-} in
  start)
    [[ ${2-} =~ ^[0-9a-f]{32}$ ]] || { echo "branch.sh: ${2-} is no timeline" >&2; exit 2; }
    stop
    # the container's own spec with the branch's timeline and another port: same tenant, same roles
    sed -e "s/\"timeline_id\": \"[0-9a-f]*\"/\"timeline_id\": \"$2\"/" \
      -e "s/\(\"neon.timeline_id\", \"value\": \"\)[0-9a-f]*/\1$2/" \
      -e "s/\(\"name\": \"port\", \"value\": \"\)[0-9]*/\1$port/" \
      /var/db/postgres/config.json > "$config"
    setsid compute_ctl -D "$home" -C "postgresql://cloud_admin@localhost:$port/postgres" \
      -b /usr/local/bin/postgres --compute-id branch --config "$config" --dev \
      --external-http-port 3180 --internal-http-port 3181 > /var/db/postgres/branch.log 2>&1 < /dev/null &
    echo $! > "$pid"
    for _ in $(seq 600); do
      if psql -X -q -h localhost -p "$port" -U cloud_admin -d postgres -c 'select 1' > /dev/null 2>&1; then
        exit 0
      fi
      sleep 0.1
    done
    echo "branch.sh: the branch's compute did not come up; its last words:" >&2
    tail -n 20 /var/db/postgres/branch.log >&2
    stop
    exit 1
    ;;
  stop) stop ;;
  *)
    echo "usage: branch.sh start TIMELINE | branch.sh stop" >&2
    exit 2
    ;;
esac
