# A registry without TLS and without a password.
package docker-registry docker-registry
cat >"$run/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $run/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:5000"}
END
start registry docker-registry serve "$run/registry.yml"
until_true 20 "the registry" curl -fs http://127.0.0.1:5000/v2/
REGISTRY=127.0.0.1:5000
known REGISTRY "$REGISTRY"
