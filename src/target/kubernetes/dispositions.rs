//! What becomes of every attribute of the Compose model on Kubernetes.

use std::collections::HashMap;

use crate::{
    compose::model::Project,
    diagnostic::{Finding, Findings},
    target::{Disposition, DispositionKind, codes},
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
        "volumes.*.name": "the name of a claim that is there",
        "configs.*": "an immutable ConfigMap named by its content",
        "secrets.*": "an immutable Secret named by its content",
    }
    Approximated {
        "services.*.container_name": "the name of the container, and a further Service",
        "services.*.cpu_period": "resources.limits.cpu, with cpu_quota",
        "services.*.cpu_quota": "resources.limits.cpu",
        "services.*.cpu_shares": "resources.requests.cpu, 1024 shares for one",
        "services.*.deploy.restart_policy.max_attempts": "backoffLimit of a Job",
        "services.*.deploy.update_config.delay": "minReadySeconds",
        "services.*.deploy.update_config.monitor": "minReadySeconds",
        "services.*.healthcheck": "readiness and startup probes; an unhealthy container is only restarted with `liveness: true`",
        "services.*.ipc": "hostIPC for `host`",
        "services.*.network_mode": "hostNetwork for `host`, no Service for `none`",
        "services.*.pid": "hostPID for `host`",
        "services.*.platform": "nodeSelector; variants are left to the image's index",
        "services.*.post_start": "lifecycle.postStart, the first one",
        "services.*.pre_stop": "lifecycle.preStop, the first one",
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
        "services.*.configs.*.uid": "warned about where it stands",
        "services.*.configs.*.gid": "warned about where it stands",
        "services.*.secrets.*.uid": "warned about where it stands",
        "services.*.secrets.*.gid": "warned about where it stands",
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
        "configs.*.name": "names carry their content",
        "secrets.*.name": "names carry their content",
    }
    Unsupported {
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
        "services.*.deploy.placement.max_replicas_per_node": "spread with affinities of the cluster",
        "services.*.deploy.placement.preferences": "spread with topology settings of the cluster",
        "services.*.deploy.resources.limits.pids": "a matter of the nodes",
        "services.*.deploy.resources.reservations.generic_resources": "use extended resources",
        "services.*.deploy.restart_policy": "a pod is always restarted, with growing pauses",
        "services.*.deploy.rollback_config": "about how Swarm rolls back",
        "services.*.deploy.update_config.failure_action": "a rollout that fails stops by itself",
        "services.*.deploy.update_config.max_failure_ratio": "a rollout that fails stops by itself",
        "services.*.device_cgroup_rules": "a matter of the nodes",
        "services.*.domainname": "names end with the namespace and the cluster's domain",
        "services.*.external_links": "use the names of Services",
        "services.*.init": "run an init in the image",
        "services.*.isolation": "about Windows",
        "services.*.links": "services are reached by their names",
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
        "services.*.post_start.*.privileged": "hooks run as the container does",
        "services.*.post_start.*.user": "hooks run as the container does",
        "services.*.post_start.*.working_dir": "write `cd` into the command",
        "services.*.post_start.*.environment": "hooks have the variables of the container",
        "services.*.pre_stop.*.privileged": "hooks run as the container does",
        "services.*.pre_stop.*.user": "hooks run as the container does",
        "services.*.pre_stop.*.working_dir": "write `cd` into the command",
        "services.*.pre_stop.*.environment": "hooks have the variables of the container",
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
        "services.*.deploy.resources.reservations.devices": "graphics cards are not carried yet",
        "services.*.gpus": "graphics cards are not carried yet",
        "services.*.models": "language models are not carried yet",
        "services.*.pre_start": "containers that run before are not carried yet",
        "services.*.runtime": "runtime classes are not carried yet",
        "services.*.volumes_from": "mounts of other services are not carried yet",
    }
};

/// The row of a path: the longest pattern that it is at or below.
pub(super) fn row(path: &[&str]) -> Option<&'static Disposition> {
    type Rows = Vec<(Vec<&'static str>, &'static Disposition)>;
    static BY_LENGTH: std::sync::LazyLock<HashMap<usize, Rows>> = std::sync::LazyLock::new(|| {
        let mut map: HashMap<usize, Rows> = HashMap::new();
        for row in TABLE {
            let steps: Vec<&str> = row.path.split('.').collect();
            map.entry(steps.len()).or_default().push((steps, row));
        }
        map
    });
    (1..=path.len()).rev().find_map(|length| {
        let front = path.get(..length)?;
        BY_LENGTH.get(&length)?.iter().find_map(|(steps, row)| {
            steps.iter().zip(front).all(|(pattern, step)| *pattern == "*" || pattern == step).then_some(*row)
        })
    })
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
        if path.len() < row.path.split('.').count() || is_default(path, tree) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::model::{Config, Job, Model, Network, Secret, Service, Shape, Volume};

    #[test]
    fn every_path_of_the_model_has_a_row() {
        let mut paths: Vec<String> = Vec::new();
        let mut visit = |path: &str, _| paths.push(path.to_owned());
        Service::shape("services.*", &mut visit);
        Network::shape("networks.*", &mut visit);
        Volume::shape("volumes.*", &mut visit);
        Config::shape("configs.*", &mut visit);
        Secret::shape("secrets.*", &mut visit);
        Model::shape("models.*", &mut visit);
        Job::shape("jobs.*", &mut visit);
        let missing: Vec<_> = paths.iter().filter(|path| row(&path.split('.').collect::<Vec<_>>()).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let not_yet = paths
            .iter()
            .filter(|path| {
                row(&path.split('.').collect::<Vec<_>>()).is_some_and(|row| row.kind == DispositionKind::NotYet)
            })
            .count();
        assert!(not_yet * 2 <= paths.len(), "{not_yet} of {}", paths.len());
    }

    #[test]
    fn every_row_is_of_a_path_of_the_model() {
        let mut paths: Vec<String> = vec!["name".into(), "models".into(), "jobs".into()];
        let mut visit = |path: &str, _| paths.push(path.to_owned());
        Service::shape("services.*", &mut visit);
        Network::shape("networks.*", &mut visit);
        Volume::shape("volumes.*", &mut visit);
        Config::shape("configs.*", &mut visit);
        Secret::shape("secrets.*", &mut visit);
        Model::shape("models.*", &mut visit);
        Job::shape("jobs.*", &mut visit);
        let unknown: Vec<_> =
            TABLE.iter().map(|row| row.path).filter(|path| !paths.iter().any(|known| known == path)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
