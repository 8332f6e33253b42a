# One node of Kubernetes: store, control plane, kubelet with its container runtime, and DNS. All of it is one
# program, built from Go modules, that is the component it is called as.
. "$here/registry.sh"
address=10.88.0.1
version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit}' "$here/kubernetes/go.mod")
package containerd docker.io
package /usr/lib/cni/bridge containernetworking-plugins
package iptables iptables
package ip iproute2
package openssl openssl
build "$here/kubernetes" kubernetes "-X k8s.io/component-base/version.gitVersion=$version -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$(echo "$version" | cut -d. -f2)"
build "$here/coredns" coredns
build "$here/images/pause" pause
"$here/images/push" 127.0.0.1:5000/pause:1 '{"Entrypoint": ["/pause"]}' "$bin/pause:/pause" >/dev/null
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
  ln -sf kubernetes "$bin/$name"
done
mkdir -p "$run"/{etcd,containerd,kubelet,cni,pki}
if ! ip link show transship0 >/dev/null 2>&1; then
  ip link add transship0 type bridge
  ip address add "$address/16" dev transship0
  ip link set transship0 up
fi
sysctl -qw net.ipv4.ip_forward=1
[ -f "$run/pki/service.key" ] || openssl genrsa -out "$run/pki/service.key" 2048 2>/dev/null
cat >"$run/pki/tokens.csv" <<END
transship-administrator,administrator,administrator,"system:masters"
transship-restricted,restricted,restricted,"restricted"
END

cat >"$run/containerd.toml" <<END
version = 2
root = "$run/containerd"
state = "/run/transship-containerd"
[grpc]
  address = "/run/transship-containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "127.0.0.1:5000/pause:1"
  # Without CAP_SYS_RESOURCE no score may be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
END
cat >"$run/cni/10-transship.conflist" <<END
{"cniVersion": "0.4.0", "name": "transship", "plugins": [
  {"type": "bridge", "bridge": "transship0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/addresses", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "10.88.0.0/16", "rangeStart": "10.88.1.1", "gateway": "$address"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
start containerd containerd --config "$run/containerd.toml"
start etcd "$bin/etcd" --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
  --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
  --initial-cluster default=http://127.0.0.1:23800
start kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:23790 --secure-port 26443 \
  --advertise-address "$address" --cert-dir "$run/pki" --service-cluster-ip-range 10.98.0.0/16 \
  --service-account-issuer https://kubernetes.default.svc --service-account-signing-key-file "$run/pki/service.key" \
  --service-account-key-file "$run/pki/service.key" --token-auth-file "$run/pki/tokens.csv" \
  --authorization-mode RBAC,Node --kubelet-preferred-address-types InternalIP --allow-privileged

for user in administrator restricted; do
  cat >"$run/$user.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: transship
clusters: [{name: transship, cluster: {server: "https://$address:26443", certificate-authority: $run/pki/apiserver.crt}}]
users: [{name: $user, user: {token: transship-$user}}]
contexts: [{name: transship, context: {cluster: transship, user: $user}}]
END
done
administrator=$run/administrator.kubeconfig
kubectl() { "$bin/kubectl" --kubeconfig "$administrator" "$@"; }
until_true 60 "the API server" kubectl get --raw /readyz

start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$administrator" --leader-elect=false \
  --service-account-private-key-file "$run/pki/service.key" --root-ca-file "$run/pki/apiserver.crt" \
  --enable-hostpath-provisioner=true
start kube-scheduler "$bin/kube-scheduler" --kubeconfig "$administrator" --leader-elect=false
cat >"$run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
containerRuntimeEndpoint: unix:///run/transship-containerd.sock
clusterDNS: [$address]
clusterDomain: cluster.local
resolvConf: ""
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
evictionHard: {}
END
start kubelet "$bin/kubelet" --config "$run/kubelet.yaml" --kubeconfig "$administrator" --root-dir "$run/kubelet" \
  --node-ip "$address" --hostname-override transship
cat >"$run/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $administrator}
clusterCIDR: 10.88.0.0/16
hostnameOverride: transship
conntrack: {maxPerCore: 0}
END
start kube-proxy "$bin/kube-proxy" --config "$run/kube-proxy.yaml"
cat >"$run/Corefile" <<END
cluster.local in-addr.arpa {
  bind $address
  errors
  ready 127.0.0.1:28181
  kubernetes {
    kubeconfig $administrator transship
  }
}
END
start coredns "$bin/coredns" -conf "$run/Corefile"
kubectl apply -f - >/dev/null <<END
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: host-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
END
is_ready() { kubectl get nodes | grep -q ' Ready'; }
until_true 60 "the node" is_ready
until_true 30 "the DNS of the cluster" curl -fs http://127.0.0.1:28181/ready
known KUBECONFIG "$administrator"
known KUBECONFIG_RESTRICTED "$run/restricted.kubeconfig"
known KUBECTL "$bin/kubectl"
known NODE_ADDRESS "$address"
known CONTAINERS "$here/containers"
