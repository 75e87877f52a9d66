#!/bin/sh
# Healthy: accepts connections, answers a query, and the workspace role may do what a copy needs.
set -eu

pg_isready -q -h localhost -p 55432 -U cloud_admin -d postgres
answer=$(psql -X -q -At -h localhost -p 55432 -U cloud_admin -d postgres -c \
  "select has_parameter_privilege('${WORKSPACE_DB_USER}', 'session_replication_role', 'SET')")
[ "$answer" = t ] || { echo "the role ${WORKSPACE_DB_USER} is not ready yet" >&2; exit 1; }
echo ready
