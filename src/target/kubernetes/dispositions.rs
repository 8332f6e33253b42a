//! What becomes of every attribute of the Compose model on Kubernetes.

use std::sync::LazyLock;

use crate::{
    compose::model::Project,
    diagnostic::{Finding, Findings},
    target::{Disposition, DispositionKind, Rows, codes},
    value::{Masked, Spot},
    yaml::Tree,
};

macro_rules! table {
    ($($kind:ident { $($path:literal : $note:literal,)* })*) => {
        &[$($(Disposition { path: $path, kind: DispositionKind::$kind, note: $note },)*)*]
    };
}

/// One row per path; a row holds for everything below it that has none of its own.
pub(super) const TABLE: &[Disposition] = table! {
    Mapped {
        "services.*": "a Deployment, StatefulSet, DaemonSet or Job, and a Service under its name",
        "services.*.annotations": "annotations of the pod",
        "services.*.cap_add": "securityContext.capabilities.add",
        "services.*.cap_drop": "securityContext.capabilities.drop",
        "services.*.command": "args; `$(` is escaped",
        "services.*.configs": "an immutable ConfigMap named by its content, mounted as a file",
        "services.*.cpus": "resources.limits.cpu",
        "services.*.depends_on": "the order in which apply goes on",
        "services.*.deploy.endpoint_mode": "a Service with or without an address of its own",
        "services.*.deploy.labels": "annotations of the workload",
        "services.*.deploy.mode": "Deployment, DaemonSet or Job",
        "services.*.deploy.placement.constraints": "node affinity",
        "services.*.deploy.replicas": "replicas",
        "services.*.deploy.resources.limits.cpus": "resources.limits.cpu",
        "services.*.deploy.resources.limits.memory": "resources.limits.memory",
        "services.*.deploy.resources.reservations.cpus": "resources.requests.cpu",
        "services.*.deploy.resources.reservations.memory": "resources.requests.memory",
        "services.*.deploy.update_config.order": "maxSurge, maxUnavailable",
        "services.*.deploy.update_config.parallelism": "maxSurge, maxUnavailable",
        "services.*.dns": "dnsConfig.nameservers",
        "services.*.dns_opt": "dnsConfig.options",
        "services.*.dns_search": "dnsConfig.searches",
        "services.*.entrypoint": "command",
        "services.*.environment": "a ConfigMap, and a Secret for what is secret, named by their content",
        "services.*.expose": "ports of the container and of the Service",
        "services.*.extra_hosts": "hostAliases",
        "services.*.group_add": "supplementalGroups",
        "services.*.hostname": "hostname of the pod",
        "services.*.image": "the image by its digest",
        "services.*.labels": "annotations of the pod",
        "services.*.mem_limit": "resources.limits.memory",
        "services.*.mem_reservation": "resources.requests.memory",
        "services.*.networks": "labels of the pod, and network policies",
        "services.*.networks.*.aliases": "further Services",
        "services.*.ports": "ports of the container and of the Service",
        "services.*.privileged": "securityContext.privileged",
        "services.*.profiles": "what is not enabled is not there",
        "services.*.read_only": "securityContext.readOnlyRootFilesystem",
        "services.*.scale": "replicas",
        "services.*.secrets": "an immutable Secret named by its content, mounted as a file",
        "services.*.shm_size": "a volume in memory at /dev/shm",
        "services.*.stdin_open": "stdin",
        "services.*.stop_grace_period": "terminationGracePeriodSeconds",
        "services.*.sysctls": "securityContext.sysctls of the pod",
        "services.*.tty": "tty",
        "services.*.volumes": "claims, ConfigMaps of project files, volumes in memory, image volumes",
        "services.*.volumes.*.volume.subpath": "subPath",
        "services.*.volumes.*.image.subpath": "subPath",
        "services.*.volumes.*.tmpfs.size": "sizeLimit of a volume in memory",
        "services.*.working_dir": "workingDir",
        "networks.*": "a label of pods, and a network policy when there are several or an internal one",
        "networks.*.internal": "egress within the network only",
        "networks.*.labels": "annotations of the policy",
        "volumes.*": "a claim",
        "volumes.*.external": "a claim that is there",
        "volumes.*.labels": "annotations of the claim",
        "volumes.*.name": "the name of the claim",
        "configs.*": "an immutable ConfigMap named by its content",
        "configs.*.content": "what the ConfigMap holds",
        "configs.*.environment": "the value of the variable, as what the ConfigMap holds",
        "configs.*.external": "a ConfigMap that is there",
        "configs.*.file": "what the ConfigMap holds",
        "configs.*.name": "the name of one that is there; before the content for others",
        "secrets.*": "an immutable Secret named by its content",
        "secrets.*.content": "what the Secret holds",
        "secrets.*.environment": "the value of the variable, as what the Secret holds",
        "secrets.*.external": "a Secret that is there",
        "secrets.*.file": "what the Secret holds",
        "secrets.*.name": "the name of one that is there; before the content for others",
    }
    Approximated {
        "services.*.container_name": "the name of the container, and a further Service",
        "services.*.cpu_period": "resources.limits.cpu, with cpu_quota",
        "services.*.cpu_quota": "resources.limits.cpu",
        "services.*.cpu_shares": "resources.requests.cpu, 1024 shares for one",
        "services.*.deploy.placement.max_replicas_per_node": "anti-affinity for 1; more cannot be said",
        "services.*.deploy.placement.preferences": "topologySpreadConstraints, as far as that can be",
        "services.*.deploy.resources.reservations.devices": "nvidia.com/gpu or amd.com/gpu for a number of cards",
        "services.*.deploy.restart_policy": "as `restart`, which it goes before",
        "services.*.deploy.restart_policy.max_attempts": "backoffLimit of a Job",
        "services.*.gpus": "nvidia.com/gpu or amd.com/gpu for a number of cards",
        "services.*.links": "a further Service for a name of its own",
        "services.*.pre_start": "containers that run before every instance",
        "services.*.volumes_from": "the same mounts; only named volumes are shared",
        "services.*.deploy.update_config.delay": "minReadySeconds",
        "services.*.deploy.update_config.monitor": "minReadySeconds",
        "services.*.healthcheck": "readiness and startup probes; an unhealthy container is only restarted with `liveness: true`",
        "services.*.ipc": "hostIPC for `host`",
        "services.*.network_mode": "hostNetwork for `host`; no Service and a policy that lets nothing through for `none`",
        "services.*.pid": "hostPID for `host`",
        "services.*.platform": "nodeSelector; variants are left to the image's index",
        "services.*.post_start": "lifecycle.postStart; several as one line of a shell",
        "services.*.pre_stop": "lifecycle.preStop; several as one line of a shell",
        "services.*.pull_policy": "imagePullPolicy; a digest never changes",
        "services.*.restart": "Job for `no` and `on-failure` without ports; anything else runs all the time",
        "services.*.security_opt": "fields of the securityContext",
        "services.*.storage_opt": "limits.ephemeral-storage for `size`",
        "services.*.tmpfs": "a volume in memory; size is the option that carries",
        "services.*.user": "runAsUser, runAsGroup; names need numbers",
    }
    Irrelevant {
        "name": "the application's name is in the labels",
        "services.*.attach": "about the terminal of `docker compose up`",
        "services.*.build": "images are built before",
        "services.*.depends_on.*.required": "what is not there is not waited for",
        "services.*.develop": "about development",
        "services.*.env_file": "its variables are in `environment`",
        "services.*.extends": "carried out while loading",
        "services.*.label_file": "its labels are in `labels`",
        "services.*.pull_refresh_after": "a digest never changes",
        "services.*.volumes.*.bind.create_host_path": "there is no host to make it on",
        "services.*.volumes.*.bind.selinux": "done by the container runtime",
        "services.*.volumes.*.consistency": "about Docker Desktop",
        "networks.*.attachable": "any pod may join",
        "networks.*.name": "policies go by labels",
        "networks.*.driver": "the cluster has its own network",
        "networks.*.ipam": "the cluster gives addresses",
        "networks.*.enable_ipv4": "the cluster gives addresses",
    }
    Unsupported {
        "services.*.configs.*.uid": "files belong to root: use `mode` to let others read",
        "services.*.configs.*.gid": "files belong to root: use `mode` to let others read",
        "services.*.secrets.*.uid": "files belong to root: use `mode` to let others read",
        "services.*.secrets.*.gid": "files belong to root: use `mode` to let others read",
        "services.*.blkio_config": "a matter of the nodes",
        "services.*.cgroup": "a matter of the nodes",
        "services.*.cgroup_parent": "a matter of the nodes",
        "services.*.cpu_count": "use `cpus`",
        "services.*.cpu_percent": "use `cpus`",
        "services.*.cpu_rt_period": "a matter of the nodes",
        "services.*.cpu_rt_runtime": "a matter of the nodes",
        "services.*.cpuset": "a matter of the nodes",
        "services.*.credential_spec": "use the settings of the cluster",
        "services.*.depends_on.*.restart": "nothing restarts with another there",
        "services.*.deploy.resources.limits.pids": "a matter of the nodes",
        "services.*.deploy.resources.reservations.generic_resources": "use extended resources",
        "services.*.deploy.restart_policy.delay": "pauses between restarts grow by themselves",
        "services.*.deploy.restart_policy.window": "probes decide when a container runs",
        "services.*.deploy.rollback_config": "about how Swarm rolls back",
        "services.*.deploy.update_config.failure_action": "a rollout that fails stops by itself",
        "services.*.deploy.update_config.max_failure_ratio": "a rollout that fails stops by itself",
        "services.*.device_cgroup_rules": "a matter of the nodes",
        "services.*.domainname": "names end with the namespace and the cluster's domain",
        "services.*.external_links": "use the names of Services",
        "services.*.init": "run an init in the image",
        "services.*.isolation": "about Windows",
        "services.*.logging": "the cluster collects what containers print",
        "services.*.mac_address": "the cluster gives addresses",
        "services.*.mem_swappiness": "a matter of the nodes",
        "services.*.memswap_limit": "a matter of the nodes",
        "services.*.networks.*.driver_opts": "the cluster has its own network",
        "services.*.networks.*.gw_priority": "there is one network",
        "services.*.networks.*.interface_name": "there is one network",
        "services.*.networks.*.ipv4_address": "the cluster gives addresses",
        "services.*.networks.*.ipv6_address": "the cluster gives addresses",
        "services.*.networks.*.link_local_ips": "the cluster gives addresses",
        "services.*.networks.*.mac_address": "the cluster gives addresses",
        "services.*.networks.*.priority": "there is one network",
        "services.*.oom_kill_disable": "a matter of the nodes",
        "services.*.oom_score_adj": "a matter of the nodes",
        "services.*.pids_limit": "a matter of the nodes",
        "services.*.runtime": "give the node's runtime a RuntimeClass, and choose it with a patch",
        "services.*.post_start.*.privileged": "hooks run as the container does",
        "services.*.post_start.*.user": "hooks run as the container does",
        "services.*.pre_stop.*.privileged": "hooks run as the container does",
        "services.*.pre_stop.*.user": "hooks run as the container does",
        "services.*.stop_signal": "set it in the image",
        "services.*.ulimits": "a matter of the nodes",
        "services.*.userns_mode": "a matter of the nodes",
        "services.*.uts": "a matter of the nodes",
        "services.*.volumes.*.bind.propagation": "files are copied, not shared",
        "services.*.volumes.*.bind.recursive": "files are copied, not shared",
        "services.*.volumes.*.tmpfs.mode": "let the container set them",
        "services.*.volumes.*.volume.nocopy": "a new volume is empty there",
        "services.*.volumes.*.volume.labels": "set labels on the volume itself",
        "networks.*.driver_opts": "the cluster has its own network",
        "networks.*.enable_ipv6": "the cluster gives addresses",
        "networks.*.external": "pods of other applications are not known: allow them with a policy of your own",
        "volumes.*.driver": "choose a storage class with `class`",
        "volumes.*.driver_opts": "choose a storage class with `class`",
        "configs.*.labels": "set them on the service",
        "configs.*.template_driver": "fill the template before",
        "secrets.*.labels": "set them on the service",
        "secrets.*.driver": "use `external: true` and an operator that makes the Secret",
        "secrets.*.driver_opts": "use `external: true` and an operator that makes the Secret",
        "secrets.*.template_driver": "fill the template before",
    }
    Refused {
        "services.*.devices": "a device of which node? use a device plugin",
        "services.*.provider": "nothing would run: name what provides it, or give it an image",
        "services.*.use_api_socket": "there is no Docker Engine",
    }
    NotYet {
        "models": "language models are not carried yet",
        "models.*": "language models are not carried yet",
        "jobs": "jobs are not carried yet",
        "jobs.*": "jobs are not carried yet",
        "services.*.models": "language models are not carried yet",
    }
};

/// The row of a path.
pub(super) fn row(path: &[&str]) -> Option<&'static Disposition> {
    static ROWS: LazyLock<Rows> = LazyLock::new(|| Rows::new(TABLE));
    ROWS.get(path)
}

/// A finding for everything that is set and does not carry, at its place.
pub(super) fn findings(project: &Project) -> Findings {
    let mut findings = Findings::new();
    let mut said: Vec<(String, &'static str)> = Vec::new();
    project.canonical.walk(&mut |path, tree| {
        let Some(row) = row(path) else { return };
        let code = match row.kind {
            DispositionKind::Unsupported => &codes::UNSUPPORTED,
            DispositionKind::Refused => &codes::REFUSED,
            DispositionKind::NotYet => &codes::NOT_YET,
            _ => return,
        };
        if path.len() < row.path.split('.').count() || is_default(path, tree) || is_implied(project, path, tree) {
            return;
        }
        let depth = row.path.split('.').count();
        let at = path.get(..depth).unwrap_or_default().join(".");
        let spot = if tree.spot.is_somewhere() { tree.spot } else { place(project, path) };
        if path.len() > depth {
            // Its leaves belong to the same finding.
            if let Some(spot) = tree.spot.is_somewhere().then_some(tree.spot) {
                findings.retain_mut(|finding| {
                    if finding.path.as_deref() == Some(at.as_str()) && finding.code.name == code.name {
                        finding.covers.push(spot);
                    }
                    true
                });
            }
            return;
        }
        if said.contains(&(at.clone(), row.path)) {
            findings.retain_mut(|finding| {
                if finding.path.as_deref() == Some(at.as_str()) {
                    finding.covers.push(spot);
                }
                true
            });
            return;
        }
        said.push((at.clone(), row.path));
        let words = format!("`{}` does not carry to Kubernetes", shown(path));
        findings.push(Finding::new(code, Masked::words(words), spot).at(at).help(row.note));
    });
    findings
}

fn shown(path: &[&str]) -> String {
    path.get(2..).filter(|rest| !rest.is_empty()).unwrap_or(path).join(".").replace(".*", "[]")
}

fn place(project: &Project, path: &[&str]) -> Spot {
    (0..path.len())
        .rev()
        .find_map(|length| {
            project.canonical.at(path.get(..length)?).map(|tree| tree.spot).filter(|spot| spot.is_somewhere())
        })
        .unwrap_or_default()
}

/// What links and shared namespaces imply of `depends_on` stands where they do, all of it.
fn is_implied(project: &Project, path: &[&str], tree: &Tree) -> bool {
    let ["services", name, "depends_on", other, "restart"] = path else { return false };
    let condition = project.canonical.at(&["services", name, "depends_on", other, "condition"]);
    condition.is_some_and(|condition| condition.spot == tree.spot)
}

/// What Compose writes out by itself says nothing.
fn is_default(path: &[&str], tree: &Tree) -> bool {
    match path.last() {
        Some(&"restart") => matches!(tree.value, crate::yaml::Scalar::Bool(false)),
        _ => match &tree.value {
            crate::yaml::Scalar::Mapping(mapping) => mapping.entries.is_empty() && !tree.spot.is_somewhere(),
            crate::yaml::Scalar::Null => !tree.spot.is_somewhere(),
            _ => false,
        },
    }
}
