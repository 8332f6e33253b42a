#!/bin/sh
# Makes the database on an empty data directory, and runs the server, never as root.
set -eu
PGDATA=${PGDATA:-/var/lib/postgresql/data}
if [ "${1:-}" != postgres ]; then
  exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown postgres:postgres "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
# The programs ask for the name of the user, which an arbitrary number does not have.
if ! whoami >/dev/null 2>&1; then
  echo "postgres:x:$(id -u):$(id -g)::$PGDATA:/bin/sh" >/tmp/passwd
  echo "postgres:x:$(id -g):" >/tmp/group
  export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group
fi
# No data of the tests is worth a flush.
careless="-c fsync=off -c full_page_writes=off -c synchronous_commit=off"
trap 'exit 143' TERM INT
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "neither POSTGRES_PASSWORD nor POSTGRES_PASSWORD_FILE is set" >&2; exit 1; }
  chmod 700 "$PGDATA" 2>/dev/null || true
  # It becomes the data directory with the last file, so that being killed on the way leaves nothing half.
  made=$PGDATA/.made
  rm -rf "$made"
  (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password)
  initdb --pgdata "$made" --username "$user" --pwfile /tmp/password --encoding UTF8 --no-locale --no-sync \
    --auth-local trust --auth-host trust >&2
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$made/pg_hba.conf"
  if [ "${POSTGRES_DB:-$user}" != postgres ]; then
    echo "CREATE DATABASE \"${POSTGRES_DB:-$user}\"" | postgres --single -j $careless -D "$made" postgres >/dev/null
  fi
  for entry in "$made"/*; do
    name=${entry##*/}
    [ "$name" = PG_VERSION ] && continue
    rm -rf "${PGDATA:?}/$name"
    mv "$entry" "$PGDATA/"
  done
  mv "$made/PG_VERSION" "$PGDATA/"
  rmdir "$made"
fi
chmod 700 "$PGDATA" 2>/dev/null || true
shift
# SIGTERM means to wait for every client, to the server: the fast way for both.
postgres -D "$PGDATA" $careless -c listen_addresses='*' -c unix_socket_directories=/tmp "$@" &
server=$!
trap 'kill -INT $server' TERM INT
while :; do
  code=0
  wait $server || code=$?
  kill -0 $server 2>/dev/null || exit $code
done
