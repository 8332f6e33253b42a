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
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
  [ -L "$bin/$name" ] || ln -sf kubernetes "$bin/$name"
done
mkdir -p "$run"/{etcd,containerd,kubelet,cni,hosts,pki}
ip link show transship0 >/dev/null 2>&1 || ip link add transship0 type bridge
ip address replace "$address/16" dev transship0
ip link set transship0 up
# A machine without a default route reaches services as well.
ip route replace 10.98.0.0/16 dev transship0
echo 1 >/proc/sys/net/ipv4/ip_forward
[ -f "$run/pki/service.key" ] || openssl genrsa -out "$run/pki/service.key" 2048 2>/dev/null
put "$run/pki/tokens.csv" <<END
transship-administrator,administrator,administrator,"system:masters"
transship-restricted,restricted,restricted,"restricted"
END

put "$run/containerd.toml" <<END
version = 2
root = "$run/containerd"
state = "$volatile/containerd"
[grpc]
  address = "$volatile/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:1"
  netns_mounts_under_state_dir = true
  # Without CAP_SYS_RESOURCE no score may be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "$volatile/containerd/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$run/hosts"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$run/cni"
END
put "$run/cni/10-transship.conflist" <<END
{"cniVersion": "0.4.0", "name": "transship", "plugins": [
  {"type": "bridge", "bridge": "transship0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/addresses", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "10.88.0.0/16", "rangeStart": "10.88.1.1", "gateway": "$address"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
start containerd containerd --config "$run/containerd.toml"
# An API server that was told to end while its store is gone drains for a minute, and holds its port.
running etcd || stop KILL kube-apiserver
start etcd "$bin/etcd" --data-dir "$run/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
  --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
  --initial-cluster default=http://127.0.0.1:23800
ready etcd 20 asks http://127.0.0.1:23790/health
start kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:23790 --secure-port 26443 \
  --advertise-address "$address" --cert-dir "$run/pki" --service-cluster-ip-range 10.98.0.0/16 \
  --service-account-issuer https://kubernetes.default.svc --service-account-signing-key-file "$run/pki/service.key" \
  --service-account-key-file "$run/pki/service.key" --token-auth-file "$run/pki/tokens.csv" \
  --authorization-mode RBAC,Node --kubelet-preferred-address-types InternalIP --allow-privileged

for user in administrator restricted; do
  put "$run/$user.kubeconfig" <<END
apiVersion: v1
kind: Config
current-context: transship
clusters: [{name: transship, cluster: {server: "https://$address:26443", certificate-authority: $run/pki/apiserver.crt}}]
users: [{name: $user, user: {token: transship-$user}}]
contexts: [{name: transship, context: {cluster: transship, user: $user}}]
END
done
administrator=$run/administrator.kubeconfig
api() { curl -fsS --noproxy '*' --max-time 5 -k -H "Authorization: Bearer transship-administrator" "https://$address:26443$1"; }
ready kube-apiserver 60 api /readyz

start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig "$administrator" --leader-elect=false \
  --service-account-private-key-file "$run/pki/service.key" --root-ca-file "$run/pki/apiserver.crt" \
  --enable-hostpath-provisioner=true
start kube-scheduler "$bin/kube-scheduler" --kubeconfig "$administrator" --leader-elect=false
put "$run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
containerRuntimeEndpoint: unix://$volatile/containerd.sock
clusterDNS: [$address]
clusterDomain: cluster.local
resolvConf: ""
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
evictionHard: {}
END
ready containerd 20 ctr --address "$volatile/containerd.sock" version
start kubelet "$bin/kubelet" --config "$run/kubelet.yaml" --kubeconfig "$administrator" --root-dir "$run/kubelet" \
  --node-ip "$address" --hostname-override transship
put "$run/kube-proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $administrator}
clusterCIDR: 10.88.0.0/16
# Answers come back this way even where what a bridge forwards does not pass iptables.
iptables: {masqueradeAll: true}
hostnameOverride: transship
conntrack: {maxPerCore: 0}
END
start kube-proxy "$bin/kube-proxy" --config "$run/kube-proxy.yaml"
put "$run/Corefile" <<END
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
api /apis/storage.k8s.io/v1/storageclasses/host-path >/dev/null 2>&1 ||
  "$bin/kubectl" --kubeconfig "$administrator" create -f - >/dev/null <<END
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: host-path, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: kubernetes.io/host-path
END
ready kube-controller-manager 30 asks -k https://127.0.0.1:10257/healthz
ready kube-scheduler 30 asks -k https://127.0.0.1:10259/healthz
ready coredns 30 asks http://127.0.0.1:28181/ready
ready kube-proxy 30 asks http://127.0.0.1:10256/healthz
ready kubelet 30 asks http://127.0.0.1:10248/healthz
node_is_ready() { api /api/v1/nodes/transship | grep -q '"reason": "KubeletReady"'; }
within 60 node_is_ready || fail "the node does not get ready; see $run/kubelet.log"
# A namespace without it refuses every pod.
within 30 api /api/v1/namespaces/default/serviceaccounts/default || fail "no service accounts; see $run/kube-controller-manager.log"
known KUBECONFIG "$administrator"
known KUBECONFIG_RESTRICTED "$run/restricted.kubeconfig"
known KUBECTL "$bin/kubectl"
known NODE_ADDRESS "$address"
known CONTAINERS "$here/containers"
