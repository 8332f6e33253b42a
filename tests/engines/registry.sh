# A registry without TLS and without a password, with an image in it that does nothing.
package docker-registry docker-registry
REGISTRY=127.0.0.1:5000
put "$run/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $run/registry}, delete: {enabled: true}}
http: {addr: "$REGISTRY"}
log: {level: warn, accesslog: {disabled: true}}
END
start registry docker-registry serve "$run/registry.yml"
ready registry 20 asks http://$REGISTRY/v2/
known REGISTRY $REGISTRY

build "$here/images/pause" pause
digest=$(readlink "$bin/pause").digest
if ! [ -f "$digest" ] || ! holds pause:1 "$(cat "$digest")"; then
  "$here/images/push" "$REGISTRY/pause:1" '{"Entrypoint": ["/pause"]}' "$bin/pause:/pause" >"$digest.new"
  mv "$digest.new" "$digest"
fi
