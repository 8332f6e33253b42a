# What `up` and `down` share. Everything lives in one directory, outside of what `cargo clean` removes, but for what
# shall not outlive the machine: sockets and the state of containers.
umask 022
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${TRANSSHIP_ENGINES:-/var/tmp/transship-engines}
run=$state/run
bin=$state/bin
# Each directory has its own: `up` and `down` remove what is there.
volatile=/run/transship
[ "$state" = /var/tmp/transship-engines ] || volatile+=-$(realpath -m "$state" | sha256sum | cut -c1-8)
environment=$state/environment

say() { printf 'engines: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# alone: one at a time, so that two callers do not start the same.
alone() {
  exec 9>"$state/lock"
  flock -n 9 && return
  say "waiting for another up or down"
  flock -w 1800 9 || fail "another up or down does not end; see $state/lock"
}

# Every process carries the name it was started as in its environment, which outlives its pid file, and tells it from
# a stranger that got its number.
mark=TRANSSHIP_ENGINE_PROCESS=$run

# running NAME: whether the process that was started under this name still is.
running() {
  local pid
  pid=$(cat "$run/$1.pid" 2>/dev/null) && [ -n "$pid" ] && grep -qsz "^$mark/$1\$" "/proc/$pid/environ"
}

# sweep [NAME]: ends what descends from the process of this name, or of any; without a name, also what works in the
# directory of the engines.
sweep() {
  local found
  found=$(grep -lsz "^$mark/${1:+$1\$}" /proc/[0-9]*/environ || true)
  [ $# -gt 0 ] || found+=" $(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$run" 2>/dev/null || true)"
  for found in $found; do
    found=${found#/proc/}
    kill -KILL "${found%%/*}" 2>/dev/null || true
  done
}

# start NAME COMMAND…: in the background, with a log, once, and anew where the command or its settings have changed.
# Containers that an earlier one ran, whose state is in $volatile/NAME, end.
start() {
  local name=$1 described
  shift
  described=$(describe "$@")
  if running "$name"; then
    [ "$described" != "$(cat "$run/$name.described" 2>/dev/null)" ] || return 0
    say "$name has other settings now"
    stop TERM "$name"
  fi
  say "starting $name"
  sweep "$name"
  leave "$volatile/$name"
  [ ! -f "$run/$name.log" ] || mv "$run/$name.log" "$run/$name.log.before"
  printf '%q ' "$@" >"$run/$name.command"
  echo "$described" >"$run/$name.described"
  (cd "$run" && exec env "$mark/$name" setsid "$@" >"$run/$name.log" 2>&1 </dev/null) &
  echo $! >"$run/$name.pid"
}

# describe COMMAND…: a hash of it, the program it stands for, and the files it is given.
describe() {
  local word
  for word in "$@"; do
    echo "$word"
    case $word in
      "$bin"/*) readlink -f "$word" ;;
      "$run"/*) [ ! -f "$word" ] || cat "$word" ;;
    esac
  done | sha256sum
}

# stop SIGNAL NAME…: all at once; who does not listen for six seconds is killed.
stop() {
  local signal=$1 name i left
  shift
  for name in "$@"; do
    running "$name" || continue
    say "stopping $name"
    kill "-$signal" "$(cat "$run/$name.pid")" 2>/dev/null || true
  done
  for i in $(seq 80); do
    left=
    for name in "$@"; do
      running "$name" || continue
      left=yes
      [ "$i" != 60 ] || kill -KILL "$(cat "$run/$name.pid")" 2>/dev/null || true
    done
    [ -n "$left" ] || break
    sleep 0.1
  done
  for name in "$@"; do rm -f "$run/$name.pid"; done
}

# within SECONDS COMMAND…: whether it succeeds in this time.
within() {
  local until=$((SECONDS + $1))
  shift
  while ! "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.1
  done
}

# ready NAME SECONDS COMMAND…: waits until a process that was started does what the command asks. One that ends, or
# hangs, is started once more: a port may not be free yet, and a predecessor may still be about to end.
ready() {
  local name=$1 seconds=$2 attempt
  shift 2
  answers_or_ended() { "$@" || ! running "$name"; }
  for attempt in 1 2; do
    within "$seconds" answers_or_ended "$@" && "$@" >/dev/null 2>&1 && return
    stop KILL "$name"
    [ $attempt = 1 ] || break
    say "$name did not get ready; once more"
    sleep 2
    eval "start $name $(cat "$run/$name.command")"
  done
  tail -n 5 "$run/$name.log" >&2
  fail "$name does not get ready; see $run/$name.log"
}

# asks URL…: whether it answers, and well.
asks() { curl -fsS --noproxy '*' --max-time 5 -o /dev/null "$@"; }

# put FILE: writes what comes in, where it differs; some programs end when their settings are touched.
put() {
  local content
  content=$(cat)
  [ "$content" = "$(cat "$1" 2>/dev/null)" ] || printf '%s\n' "$content" >"$1"
}

# package COMMAND PACKAGE…: installs packages of Debian where the command is missing, and starts no service of theirs.
package() {
  command -v "$1" >/dev/null 2>&1 && return
  shift
  say "installing $*"
  local policy=/usr/sbin/policy-rc.d ours=
  apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" >>"$run/apt.log" 2>&1
  }
  if [ ! -e $policy ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  apt_install "$@" || { apt-get -o DPkg::Lock::Timeout=300 update >>"$run/apt.log" 2>&1 && apt_install "$@"; } || {
    [ -z "$ours" ] || rm -f $policy
    fail "cannot install $*; see $run/apt.log"
  }
  [ -z "$ours" ] || rm -f $policy
}

# build FOLDER OUTPUT [FLAGS [PACKAGE]]: a Go program, kept by the hash of what it is made of.
build() {
  local folder=$1 output=$2 flags=${3:-} hash kept
  hash=$( (cd "$folder" && find . -maxdepth 1 -name "*.go" -o -maxdepth 1 -name "go.*" | sort | xargs cat; printf %s "${4:-}") |
    sha256sum | cut -c1-16)
  kept=$state/cache/$output-$hash
  if [ ! -x "$kept" ]; then
    command -v go >/dev/null || fail "needs Go"
    say "building $output (minutes the first time, kept afterwards)"
    (cd "$folder" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w $flags" -o "$kept.new" "${4:-.}" >"$run/build-$output.log" 2>&1) ||
      fail "cannot build $output; see $run/build-$output.log"
    mv "$kept.new" "$kept"
  fi
  touch "$kept"
  [ "$(readlink "$bin/$output")" = "$kept" ] || ln -sfn "$kept" "$bin/$output"
}

# holds NAME DIGEST: whether the local registry has this image under this name.
holds() {
  curl -fsI --noproxy '*' -H "Accept: application/vnd.oci.image.manifest.v1+json" \
    "http://$REGISTRY/v2/${1%:*}/manifests/${1##*:}" | grep -qi "^docker-content-digest: $2"
}

# known NAME VALUE: writes down what tests may ask for.
known() {
  ! grep -qsxF "$1=$2" "$environment" || return 0
  touch "$environment"
  grep -v "^$1=" "$environment" >"$environment.new" || true
  echo "$1=$2" >>"$environment.new"
  mv "$environment.new" "$environment"
}

# leave DIRECTORY: ends the containers that a runtime kept there, unmounts what is below, and removes it.
leave() {
  local task id pid tasks
  [ -d "$1" ] || return 0
  tasks=$(find "$1" -name init.pid -path '*/io.containerd.runtime.v2.task/*' 2>/dev/null || true)
  for task in $tasks; do
    id=$(basename "$(dirname "$task")")
    pid=$(cat "$task")
    # A number alone may be somebody else's by now.
    ! grep -qs "$id" "/proc/$pid/cgroup" || kill -KILL "$pid" 2>/dev/null || true
  done
  unmount "$1"
  for task in $tasks; do
    id=$(basename "$(dirname "$task")")
    rmdir /sys/fs/cgroup/{*/,}*/"$id" 2>/dev/null || true
  done
  rm -rf "$1"
}

# unmount DIRECTORY: all that is mounted on it and below.
unmount() {
  awk -v below="$1/" 'index($2 "/", below) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r -n 50 umount -l
}

# forget: the state of a cluster, which nobody needs after the machine was started anew, and which may be torn.
forget() {
  unmount "$run"
  rm -rf "$run"/{etcd,containerd,kubelet,addresses}
}
