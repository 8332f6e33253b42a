# Registries that want to know who asks, over TLS with an authority of our own: one for a name and a password, one for
# tokens of a server of ours. skopeo is a client to check answers with, and made by others.
. "$here/registry.sh"
package openssl openssl
package skopeo skopeo
build "$here/token" token
tls=$run/tls
user=tester
password=only-for-the-tests
mkdir -p "$tls/authority"
if [ ! -f "$tls/server.crt" ]; then
  say "making an authority and a certificate"
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=transship engines" \
      -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$tls/ca.key" -out "$tls/ca.crt"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$tls/server.key" -out "$tls/server.csr"
    printf '%s\n' subjectAltName=DNS:localhost,IP:127.0.0.1 basicConstraints=CA:FALSE extendedKeyUsage=serverAuth >"$tls/server.ext"
    openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.crt" -CAkey "$tls/ca.key" -CAcreateserial -days 3650 \
      -extfile "$tls/server.ext" -out "$tls/server.new"
  } >"$run/tls.log" 2>&1 || fail "cannot make certificates; see $run/tls.log"
  # Clients that take a folder of authorities stumble over keys beside them.
  cp "$tls/ca.crt" "$tls/authority/"
  mv "$tls/server.new" "$tls/server.crt"
fi
# The registry knows bcrypt only.
put "$tls/htpasswd" <<END
$user:$(perl -e 'print crypt($ARGV[0], q($2b$05$transshiptransshiptran))' "$password")
END
serves() { # NAME PORT AUTHENTICATION
  put "$run/$1.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $run/$1}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$2", tls: {certificate: $tls/server.crt, key: $tls/server.key}}
auth: $3
log: {level: warn, accesslog: {disabled: true}}
END
  start "$1" docker-registry serve "$run/$1.yml"
}
serves registry-password 5001 "{htpasswd: {realm: engines, path: $tls/htpasswd}}"
serves registry-token 5002 "{token: {realm: 'https://127.0.0.1:5003/token', service: registry-token, issuer: transship-engines,
  rootcertbundle: $tls/ca.crt}}"
start token env "USER=$user" "PASSWORD=$password" "$bin/token" 127.0.0.1:5003 "$tls"
refuses() { [ "$(curl -s --noproxy '*' --cacert "$tls/ca.crt" -o /dev/null -w '%{http_code}' "https://$1/v2/")" = 401 ]; }
ready registry-password 20 refuses 127.0.0.1:5001
ready registry-token 20 refuses 127.0.0.1:5002
ready token 20 asks --cacert "$tls/ca.crt" "https://127.0.0.1:5003/token?service=registry-token"

# The node of Kubernetes and the checks below know the authority.
for port in 5001 5002; do
  mkdir -p "$run/hosts/127.0.0.1:$port"
  put "$run/hosts/127.0.0.1:$port/hosts.toml" <<END
[host."https://127.0.0.1:$port"]
ca = "$tls/ca.crt"
END
  for name in public/pause:1 private/pause:1; do
    [ ! -f "$run/registry-seeded-$port-${name%/*}" ] || continue
    skopeo --insecure-policy copy --quiet --src-tls-verify=false --dest-cert-dir "$tls/authority" \
      --dest-creds "$user:$password" "docker://$REGISTRY/pause:1" "docker://127.0.0.1:$port/$name" >"$run/skopeo.log" 2>&1 ||
      fail "cannot push 127.0.0.1:$port/$name; see $run/skopeo.log"
    touch "$run/registry-seeded-$port-${name%/*}"
  done
done
known REGISTRY_TLS 127.0.0.1:5001
known REGISTRY_TOKEN 127.0.0.1:5002
known REGISTRY_TOKEN_LOG "$run/token.log"
known REGISTRY_CA "$tls/ca.crt"
known REGISTRY_CA_DIRECTORY "$tls/authority"
known REGISTRY_USER "$user"
known REGISTRY_PASSWORD "$password"
known SKOPEO "$(command -v skopeo)"
