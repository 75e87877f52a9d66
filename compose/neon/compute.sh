#!/bin/bash
# The compute: makes sure of its tenant and timeline on the pageserver, writes its spec, hands over to compute_ctl.
# The image has no curl: HTTP is spoken over bash's own /dev/tcp.
set -euo pipefail
umask 077

port=55432
pgdata=/var/db/postgres/compute
scratch=/var/db/postgres/wsdash
tenant=$NEON_TENANT_ID timeline=$NEON_TIMELINE_ID
user=$WORKSPACE_DB_USER database=$WORKSPACE_DB_NAME

say() { echo "compute.sh: $*" >&2; }

# request METHOD PATH [BODY]: the status code in $status (0: no answer), the body in $answer
request() {
  local reply length=${3-}
  status=0 answer=
  { exec 3<> "/dev/tcp/$PAGESERVER_HOST/9898"; } 2> /dev/null || return 0
  printf '%s %s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "$PAGESERVER_HOST" "${#length}" "${3-}" >&3
  reply=$(timeout 120 cat <&3) || true
  exec 3>&-
  status=${reply#* } status=${status%% *} answer=${reply#*$'\r\n\r\n'}
  [[ $status =~ ^[0-9]{3}$ ]] || status=0
}

# until_holds SECONDS WHAT COMMAND...: try again until COMMAND holds
until_holds() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if ((SECONDS >= deadline)); then
      say "$what did not come about; the pageserver's last answer: $status $answer"
      exit 1
    fi
    sleep 0.5
  done
  say "$what"
}

pageserver_answers() { request GET /v1/status && [ "$status" = 200 ]; }

tenant_is_active() {
  request GET "/v1/tenant/$tenant"
  if [ "$status" = 404 ]; then
    request PUT "/v1/tenant/$tenant/location_config" \
      '{"mode":"AttachedSingle","generation":1,"tenant_conf":{}}'
    return 1
  fi
  [[ $status = 200 && $answer =~ \"slug\":\ *\"Active\" ]]
}

timeline_is_there() {
  request GET "/v1/tenant/$tenant/timeline/$timeline"
  [ "$status" = 200 ] && return 0
  [ "$status" = 404 ] || return 1
  request POST "/v1/tenant/$tenant/timeline" \
    "{\"new_timeline_id\":\"$timeline\",\"pg_version\":$NEON_PG_VERSION}"
  [ "$status" = 201 ]
}

# The password's SCRAM verifier, computed by PostgreSQL itself in a throw-away cluster; the password is on no
# command line. The spec holds the verifier only.
write_verifier() {
  rm -rf "$scratch"
  mkdir -p "$scratch"
  printf '%s\n' "$WORKSPACE_DB_PASSWORD" > "$scratch/password"
  initdb -D "$scratch/cluster" -U verifier --pwfile="$scratch/password" \
    --auth=scram-sha-256 --no-sync > "$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
  verifier=$(echo "select rolpassword from pg_authid where rolname = 'verifier'" |
    postgres --single -D "$scratch/cluster" postgres 2>> "$scratch/log" |
    sed -n 's/.*"\(SCRAM-SHA-256\$[^"]*\)".*/\1/p')
  rm -rf "$scratch"
  [ -n "$verifier" ] || { say "no SCRAM verifier could be computed"; exit 1; }
}

write_spec() {
  cat > "$1" <<JSON
{"spec": {
  "format_version": 1.0, "suspend_timeout_seconds": -1,
  "tenant_id": "$tenant", "timeline_id": "$timeline", "mode": "Primary",
  "pageserver_connstring": "host=$PAGESERVER_HOST port=6400",
  "safekeeper_connstrings": ["$SAFEKEEPER"],
  "cluster": {
    "cluster_id": "workspace", "name": "workspace", "state": "restarted",
    "roles": [{"name": "$user", "encrypted_password": "$verifier", "options": null}],
    "databases": [{"name": "$database", "owner": "$user", "options": null}],
    "settings": [
      {"name": "port", "value": "$port", "vartype": "integer"},
      {"name": "listen_addresses", "value": "0.0.0.0", "vartype": "string"},
      {"name": "shared_preload_libraries", "value": "neon", "vartype": "string"},
      {"name": "synchronous_standby_names", "value": "walproposer", "vartype": "string"},
      {"name": "wal_level", "value": "logical", "vartype": "enum"},
      {"name": "password_encryption", "value": "scram-sha-256", "vartype": "enum"},
      {"name": "max_connections", "value": "100", "vartype": "integer"},
      {"name": "shared_buffers", "value": "128MB", "vartype": "string"},
      {"name": "maintenance_work_mem", "value": "64MB", "vartype": "string"},
      {"name": "max_wal_senders", "value": "10", "vartype": "integer"},
      {"name": "max_replication_slots", "value": "10", "vartype": "integer"},
      {"name": "max_replication_write_lag", "value": "500MB", "vartype": "string"},
      {"name": "max_replication_flush_lag", "value": "10GB", "vartype": "string"},
      {"name": "wal_sender_timeout", "value": "5s", "vartype": "string"},
      {"name": "wal_keep_size", "value": "0", "vartype": "integer"},
      {"name": "restart_after_crash", "value": "off", "vartype": "bool"},
      {"name": "neon.safekeepers", "value": "$SAFEKEEPER", "vartype": "string"},
      {"name": "neon.tenant_id", "value": "$tenant", "vartype": "string"},
      {"name": "neon.timeline_id", "value": "$timeline", "vartype": "string"},
      {"name": "neon.pageserver_connstring", "value": "host=$PAGESERVER_HOST port=6400", "vartype": "string"}
    ]
  },
  "delta_operations": []},
 "compute_ctl_config": {"jwks": {"keys": []}}}
JSON
}

# The rows of a copy come with triggers off; Neon gives its roles no right to do so. The grant is kept.
grant_when_ready() {
  local deadline=$((SECONDS + 300))
  until psql -X -q -h localhost -p "$port" -U cloud_admin -d postgres \
    -c "grant set on parameter session_replication_role to \"$user\"" > /dev/null 2>&1; do
    ((SECONDS < deadline)) || return 0
    sleep 0.5
  done
}

for name in "$user" "$database"; do
  [[ $name =~ ^[a-z_][a-z0-9_]*$ ]] || { say "the name $name is not a plain identifier"; exit 1; }
done
until_holds 120 "the pageserver answers" pageserver_answers
until_holds 120 "tenant $tenant is active" tenant_is_active
until_holds 300 "timeline $timeline is there" timeline_is_there
write_verifier
write_spec /var/db/postgres/config.json
unset WORKSPACE_DB_PASSWORD

# a compute refuses a directory that exists: after a restart of the container the old one is there
rm -rf "$pgdata"
# and so are its socket and the lock beside it, whose pid may by now be another program's: no server runs here yet
rm -f "/tmp/.s.PGSQL.$port" "/tmp/.s.PGSQL.$port.lock"
grant_when_ready &
exec compute_ctl -D "$pgdata" -C "postgresql://cloud_admin@localhost:$port/postgres" \
  -b /usr/local/bin/postgres --compute-id workspace --config /var/db/postgres/config.json --dev
