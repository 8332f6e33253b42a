#!/bin/sh
# Runs the server for everybody in the network, and not as root.
set -eu
if [ "${1:-}" = redis-server ]; then
  shift
  set -- redis-server --protected-mode no "$@"
  if [ "$(id -u)" = 0 ]; then
    chown redis:redis .
    set -- setpriv --reuid redis --regid redis --clear-groups "$@"
  fi
fi
exec "$@"
