# What `up` and `down` share. Everything lives in one directory, outside of what `cargo clean` removes.
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${TRANSSHIP_ENGINES:-/var/tmp/transship-engines}
run=$state/run
bin=$state/bin
environment=$state/environment

say() { printf '%s\n' "$*" >&2; }
fail() { say "engines: $*"; exit 1; }

# running NAME: whether the process that was started under this name still is.
running() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) && [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$run" ]
}

# start NAME COMMAND…: in the background, with a log, once.
start() {
  local name=$1
  shift
  running "$name" && return
  (cd "$run" && exec setsid "$@" >"$run/$name.log" 2>&1 </dev/null) &
  echo $! >"$run/$name.pid"
}

# stop NAME SIGNAL: and wait until it has.
stop() {
  local pid i
  running "$1" || { rm -f "$run/$1.pid"; return 0; }
  pid=$(cat "$run/$1.pid")
  kill "-${2:-TERM}" "$pid" 2>/dev/null || true
  for i in $(seq 100); do
    running "$1" || break
    [ "$i" = 60 ] && kill -KILL "$pid" 2>/dev/null
    sleep 0.1
  done
  rm -f "$run/$1.pid"
}

# until SECONDS WHAT COMMAND…: waits for a command to succeed.
until_true() {
  local seconds=$1 what=$2 i
  shift 2
  for i in $(seq $((seconds * 5))); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  fail "$what is not there after $seconds s; see $run/*.log"
}

# package COMMAND PACKAGE…: installs packages of Debian where the command is missing.
package() {
  command -v "$1" >/dev/null 2>&1 && return
  shift
  say "engines: installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$run/apt.log" 2>&1 ||
    { apt-get update >>"$run/apt.log" 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$run/apt.log" 2>&1; } ||
    fail "cannot install $*; see $run/apt.log"
}

# build FOLDER OUTPUT [FLAGS]: a Go module, kept by the hash of what it is made of.
build() {
  local folder=$1 output=$2 flags=${3:-} hash kept
  hash=$(find "$folder" -maxdepth 1 -name "*.go" -o -maxdepth 1 -name "go.*" | sort | xargs cat | sha256sum | cut -c1-16)
  kept=$state/cache/$output-$hash
  if [ ! -x "$kept" ]; then
    say "engines: building $output (minutes the first time, kept afterwards)"
    mkdir -p "$state/cache"
    (cd "$folder" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $flags" -o "$kept.new" . >"$run/build-$output.log" 2>&1) ||
      fail "cannot build $output; see $run/build-$output.log"
    mv "$kept.new" "$kept"
  fi
  ln -sf "$kept" "$bin/$output"
}

# known NAME VALUE: writes down what tests may ask for.
known() {
  touch "$environment"
  grep -v "^$1=" "$environment" >"$environment.new" || true
  echo "$1=$2" >>"$environment.new"
  mv "$environment.new" "$environment"
}
