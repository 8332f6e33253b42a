# Images of the example's services, in the local registry: our program for the shop's own, and Debian's servers
# with the libraries they need, unpacked without being installed.
. "$here/registry.sh"
hash=$(find "$here/images.sh" "$here/images" -type f | sort | xargs sha256sum | sed "s: $here/: :" | sha256sum | cut -c1-16)
pushed=$state/cache/images-$hash

# pushed_already: whether the registry holds all that was pushed for this hash, under its names.
pushed_already() {
  local name digest
  [ -s "$pushed" ] || return 1
  while read -r name digest; do
    holds "$name" "$digest" || return 1
  done <"$pushed"
}

# unpack PACKAGE…: these packages of Debian, and the libraries they depend on, into $unpacked.
unpack() {
  local folder libraries
  folder=$state/cache/debian-$(echo "$*" | sha256sum | cut -c1-16)
  unpacked=$folder
  [ -d "$folder" ] && return
  say "unpacking $*"
  rm -rf "$folder.new"
  mkdir -p "$folder.new/debs"
  [ -n "$(apt-cache policy "$1")" ] || apt-get update >"$run/apt.log" 2>&1 || true
  libraries=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances "$@" | grep -E '^(lib[^:]*|zlib1g|tzdata)$' | grep -vE 'llvm|libz3|perl|elogind' | sort -u)
  download() { (cd "$folder.new/debs" && apt-get -o APT::Sandbox::User=root download "$@" >"$run/apt.log" 2>&1); }
  # shellcheck disable=SC2086
  download "$@" $libraries || { apt-get update >"$run/apt.log" 2>&1 && download "$@" $libraries; } ||
    fail "cannot download packages; see $run/apt.log"
  for deb in "$folder.new"/debs/*.deb; do dpkg -x "$deb" "$folder.new"; done
  rm -rf "$folder.new/debs"
  mv "$folder.new" "$folder"
}

# collect STAGE FILE…: files of $unpacked, and the libraries that its own loader names for those that are programs.
collect() {
  local stage=$1 file found
  shift
  for file in "$@"; do
    (cd "$unpacked" && cp -a --parents ".$file" "$stage")
    [ -x "$unpacked$file" ] && [ -f "$unpacked$file" ] || continue
    found=$(chroot "$unpacked" /lib64/ld-linux-x86-64.so.2 --list "$file") || fail "$file lacks a library: $found"
    for found in $(echo "$found" | grep -o '/[^ ]*'); do
      [ -e "$stage$found" ] || (cd "$unpacked" && cp -L --parents ".$found" "$stage")
    done
  done
}

# stage NAME: a folder for an image with a shell, users, and a place for temporary files; prints it.
stage() {
  local stage=$work/$1 applet
  mkdir -p "$stage"/{bin,etc,root,run,tmp,usr/local/bin,var}
  chmod 1777 "$stage/tmp"
  collect "$stage" /bin/busybox /usr/bin/setpriv
  for applet in $(chroot "$stage" /bin/busybox --list); do
    [ "$applet" = setpriv ] || [ "$applet" = busybox ] || ln -s /bin/busybox "$stage/bin/$applet"
  done
  printf '%s\n' root:x:0:0::/root:/bin/sh nobody:x:65534:65534::/:/bin/sh nginx:x:101:101::/:/bin/sh \
    postgres:x:999:999::/var/lib/postgresql:/bin/sh redis:x:998:998::/data:/bin/sh >"$stage/etc/passwd"
  printf '%s\n' root:x:0: nogroup:x:65534: nginx:x:101: postgres:x:999: redis:x:998: >"$stage/etc/group"
  echo "$stage"
}

# image NAME CONFIGURATION SOURCE[:TARGET]…: pushes it, and notes its digest.
image() {
  local name=$1 digest
  shift
  digest=$("$here/images/push" "$REGISTRY/$name" "$@") || fail "cannot push $name"
  echo "$name $digest" >>"$pushed.new"
}

if ! pushed_already; then
  say "making the images of the example"
  build "$here/images/shop" shop
  unpack busybox util-linux libnss-wrapper nginx redis-server redis-tools postgresql-15 postgresql-client-15
  path='"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'
  work=$(mktemp -d "$state/images.XXXXXX")
  rm -f "$pushed.new"

  shop() { # NAME:VERSION COMMAND [MORE]
    image "shop/$1" "{\"User\": \"10001:10001\", \"WorkingDir\": \"/srv\", \"Entrypoint\": [\"/shop\"], \"Cmd\": [\"$2\"]${3:-},
      \"Env\": [$path, \"SHOP_EDITION=${1#*:}\"]}" "$bin/shop:/shop" "$work/shop:/"
  }
  mkdir -p "$work"/shop/{srv,tmp}
  chmod 1777 "$work/shop/tmp"
  shop api:1.4.2 api ', "ExposedPorts": {"8000/tcp": {}}'
  shop api:1.5.0 api ', "ExposedPorts": {"8000/tcp": {}}'
  shop worker:1.4.2 worker
  shop migration:1.4.2 migrate
  image library/adminer:5 "{\"User\": \"1000\", \"Entrypoint\": [\"/shop\"], \"Cmd\": [\"administration\"],
    \"ExposedPorts\": {\"8080/tcp\": {}}, \"Env\": [$path]}" "$bin/shop:/shop" "$work/shop:/"

  web=$(stage web)
  collect "$web" /usr/sbin/nginx
  mkdir -p "$web"/var/{log,lib}/nginx "$web/etc/nginx"
  image shop/web:1.4.2 "{\"User\": \"101\", \"Entrypoint\": [\"nginx\", \"-e\", \"/dev/stderr\"], \"StopSignal\": \"SIGQUIT\",
    \"ExposedPorts\": {\"8080/tcp\": {}}, \"Env\": [$path], \"Healthcheck\": {\"Test\": [\"CMD\", \"wget\", \"-q\", \"-O\",
    \"/dev/null\", \"http://127.0.0.1:8080/health\"], \"Interval\": 10000000000, \"Timeout\": 3000000000, \"Retries\": 3}}" "$web"

  cache=$(stage cache)
  collect "$cache" /usr/bin/redis-check-rdb /usr/bin/redis-server /usr/bin/redis-cli
  install -m 755 "$here/images/redis/docker-entrypoint.sh" "$cache/usr/local/bin/"
  install -d -o 998 -g 998 "$cache/data"
  image library/redis:8 "{\"Entrypoint\": [\"docker-entrypoint.sh\"], \"Cmd\": [\"redis-server\"], \"WorkingDir\": \"/data\",
    \"Volumes\": {\"/data\": {}}, \"ExposedPorts\": {\"6379/tcp\": {}}, \"Env\": [$path]}" "$cache"

  database=$(stage database)
  programs=/usr/lib/postgresql/15
  collect "$database" $programs/bin/{postgres,initdb,pg_ctl,pg_isready,psql} /usr/share/postgresql/15 \
    /usr/share/zoneinfo/{UTC,Etc} $(cd "$unpacked" && find usr/lib -name 'libnss_wrapper.so*' -printf '/%p ')
  for file in "$unpacked$programs"/lib/*.so; do
    [ "${file##*/}" = llvmjit.so ] || collect "$database" "${file#"$unpacked"}"
  done
  install -m 755 "$here/images/postgres/docker-entrypoint.sh" "$database/usr/local/bin/"
  install -d -o 999 -g 999 "$database/var/lib/postgresql" "$database/var/lib/postgresql/data"
  image library/postgres:17 "{\"Entrypoint\": [\"docker-entrypoint.sh\"], \"Cmd\": [\"postgres\"], \"StopSignal\": \"SIGINT\",
    \"Volumes\": {\"/var/lib/postgresql/data\": {}}, \"ExposedPorts\": {\"5432/tcp\": {}},
    \"Env\": [${path/PATH=/PATH=$programs/bin:}, \"PGDATA=/var/lib/postgresql/data\", \"PGHOST=/tmp\"]}" "$database"

  rm -rf "$work"
  mv "$pushed.new" "$pushed"
fi
known IMAGES "$REGISTRY"
