# Debian's Docker Engine, apart from any that the machine has, as a Swarm of one node.
. "$here/registry.sh"
package dockerd docker.io
package iptables iptables
package ip iproute2
docker=/usr/bin/docker
socket=unix://$volatile/docker.sock
ip link show transship1 >/dev/null 2>&1 || ip link add transship1 type bridge
ip address replace 10.89.0.1/16 dev transship1
ip link set transship1 up
# Where Docker has to switch forwarding on, it forbids it to everybody else.
echo 1 >/proc/sys/net/ipv4/ip_forward
mkdir -p "$run/docker"
put "$run/docker.json" <<END
{}
END
start dockerd dockerd --host "$socket" --data-root "$run/docker" --exec-root "$volatile/dockerd" \
  --pidfile "$volatile/dockerd/docker.pid" --config-file "$run/docker.json" --bridge transship1 \
  --default-address-pool base=10.90.0.0/16,size=24 --shutdown-timeout 3
engine() { "$docker" --host "$socket" "$@"; }
ready dockerd 30 engine info
if [ "$(engine info --format '{{.Swarm.LocalNodeState}}')" != active ]; then
  engine swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 --default-addr-pool 10.91.0.0/16 >/dev/null
fi
# After a restart the manager of the Swarm takes a while to answer.
within 30 engine node ls || fail "the Swarm does not answer; see $run/dockerd.log"
known DOCKER_HOST "$socket"
known DOCKER "$docker"
