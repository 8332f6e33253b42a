//! What only the engine of Docker can be told: the options of `docker run`, under the names they have there.

use super::translate::{Translator, map};
use crate::{
    compose::model::{BlockIoLimit, Service, Strings},
    target::{codes, parts::sorted},
    value::{Located, Node, Sources, Spot, Text, TextBuilder, Value},
    yaml::Scalar,
};

/// One option.
pub(super) fn parameter(key: &'static str, value: Node) -> Node {
    let from = value.from;
    map(vec![("key", Node { value: key.into(), from }), ("value", value)], from)
}

/// Attributes that become options, while they are collected; each with its name in Compose.
struct Options<'t> {
    translator: &'t Translator<'t>,
    found: Vec<(&'static str, Node)>,
}

impl Options<'_> {
    fn push(&mut self, attribute: &'static str, key: &'static str, value: Node) {
        self.found.push((attribute, parameter(key, value)));
    }

    fn text(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<Text>>) {
        if let Some(text) = field {
            self.push(attribute, key, self.translator.text(text));
        }
    }

    fn texts(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<Vec<Located<Text>>>>) {
        for text in field.iter().flat_map(|all| &all.value) {
            self.push(attribute, key, self.translator.text(text));
        }
    }

    fn number(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<i64>>) {
        if let Some(number) = field {
            self.push(attribute, key, Node::new(number.value.to_string(), number.spot));
        }
    }

    fn float(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<f64>>) {
        if let Some(number) = field {
            self.push(attribute, key, Node::new(number.value.to_string(), number.spot));
        }
    }

    fn flag(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<bool>>) {
        if let Some(flag) = field {
            self.push(attribute, key, Node::new(flag.value.to_string(), flag.spot));
        }
    }

    /// `key=value`, each with both their places.
    fn pairs(&mut self, attribute: &'static str, key: &'static str, field: Option<&Located<Strings>>, between: &str) {
        for (name, text) in field.iter().flat_map(|all| sorted(&all.value)) {
            let mut value = TextBuilder::default();
            value.push(name);
            value.push(between);
            value.push_text(&text.value);
            let from = self.translator.from(text);
            self.push(attribute, key, Node { value: value.finish().into(), from });
        }
    }

    fn rates(&mut self, key: &'static str, field: Option<&Located<Vec<Located<BlockIoLimit>>>>) {
        for limit in field.iter().flat_map(|all| &all.value) {
            let (Some(path), Some(rate)) = (&limit.value.path, &limit.value.rate) else { continue };
            let from = self.translator.project.origins.union([limit.spot, path.spot, rate.spot]);
            let text = format!("{}:{}", path.value.plain().unwrap_or_default(), rate.value);
            self.push("blkio_config", key, Node { value: text.into(), from });
        }
    }
}

impl Translator<'_> {
    /// The options of an app; `temporary` are those of its volumes. Without the engine of Docker there are none, and
    /// findings say what is missing.
    pub(super) fn parameters(&mut self, name: &str, service: &Service, temporary: &[Node]) -> Vec<Node> {
        let mut options = Options { translator: self, found: Vec::new() };
        options.text("user", "user", service.user.as_ref());
        options.text("working_dir", "workdir", service.working_dir.as_ref());
        options.text("hostname", "hostname", service.hostname.as_ref());
        options.text("domainname", "domainname", service.domainname.as_ref());
        options.texts("cap_add", "cap-add", service.cap_add.as_ref());
        options.texts("cap_drop", "cap-drop", service.cap_drop.as_ref());
        options.texts("security_opt", "security-opt", service.security_opt.as_ref());
        options.texts("group_add", "group-add", service.group_add.as_ref());
        options.flag("read_only", "read-only", service.read_only.as_ref());
        options.flag("init", "init", service.init.as_ref());
        options.flag("stdin_open", "interactive", service.stdin_open.as_ref());
        options.text("stop_signal", "stop-signal", service.stop_signal.as_ref());
        options.text("ipc", "ipc", service.ipc.as_ref());
        options.text("pid", "pid", service.pid.as_ref());
        options.text("uts", "uts", service.uts.as_ref());
        options.text("userns_mode", "userns", service.userns_mode.as_ref());
        options.text("cgroup", "cgroupns", service.cgroup.as_ref());
        options.text("cgroup_parent", "cgroup-parent", service.cgroup_parent.as_ref());
        options.text("runtime", "runtime", service.runtime.as_ref());
        options.text("isolation", "isolation", service.isolation.as_ref());
        options.text("platform", "platform", service.platform.as_ref());
        options.text("mac_address", "mac-address", service.mac_address.as_ref());
        options.texts("dns", "dns", service.dns.as_ref());
        options.texts("dns_opt", "dns-option", service.dns_opt.as_ref());
        options.texts("device_cgroup_rules", "device-cgroup-rule", service.device_cgroup_rules.as_ref());
        options.texts("tmpfs", "tmpfs", service.tmpfs.as_ref());
        options.pairs("sysctls", "sysctl", service.sysctls.as_ref(), "=");
        options.pairs("storage_opt", "storage-opt", service.storage_opt.as_ref(), "=");
        options.number("shm_size", "shm-size", service.shm_size.as_ref());
        options.number("pids_limit", "pids-limit", service.pids_limit.as_ref());
        options.number("oom_score_adj", "oom-score-adj", service.oom_score_adj.as_ref());
        options.flag("oom_kill_disable", "oom-kill-disable", service.oom_kill_disable.as_ref());
        options.number("mem_swappiness", "memory-swappiness", service.mem_swappiness.as_ref());
        options.number("memswap_limit", "memory-swap", service.memswap_limit.as_ref());
        options.number("cpu_count", "cpu-count", service.cpu_count.as_ref());
        options.float("cpu_percent", "cpu-percent", service.cpu_percent.as_ref());
        options.number("cpu_period", "cpu-period", service.cpu_period.as_ref());
        options.number("cpu_quota", "cpu-quota", service.cpu_quota.as_ref());
        options.number("cpu_rt_period", "cpu-rt-period", service.cpu_rt_period.as_ref());
        options.number("cpu_rt_runtime", "cpu-rt-runtime", service.cpu_rt_runtime.as_ref());
        options.text("cpuset", "cpuset-cpus", service.cpuset.as_ref());
        for (host, addresses) in service.extra_hosts.iter().flat_map(|all| sorted(&all.value)) {
            for address in &addresses.value {
                let mut value = TextBuilder::default();
                value.push(&format!("{host}:"));
                value.push_text(&address.value);
                let from =
                    options.translator.project.origins.join([options.translator.from(address), addresses.spot.into()]);
                options.push("extra_hosts", "add-host", Node { value: value.finish().into(), from });
            }
        }
        limits(&mut options, name, service);
        logging(&mut options, service);
        block_io(&mut options, service);
        for device in service.devices.iter().flat_map(|all| &all.value) {
            let value = &device.value;
            let parts = [&value.source, &value.target, &value.permissions].into_iter().flatten();
            let text: Vec<&str> = parts.clone().map(|part| part.value.plain().unwrap_or_default()).collect();
            let from = options.translator.project.origins.union(parts.map(|part| part.spot).chain([device.spot]));
            options.push("devices", "device", Node { value: text.join(":").into(), from });
        }
        let pids = service.deploy.as_ref().and_then(|deploy| deploy.value.resources.as_ref());
        let pids = pids.and_then(|resources| resources.value.limits.as_ref()).and_then(|limits| limits.value.pids);
        options.number("deploy.resources.limits.pids", "pids-limit", pids.as_ref());
        options.found.extend(temporary.iter().map(|one| ("volumes", parameter("tmpfs", one.clone()))));
        let found = std::mem::take(&mut options.found);
        if self.is_docker() {
            let mut all: Vec<Node> = found.into_iter().map(|(_, node)| node).collect();
            // Names of the application first, as Compose has them, and what else is said behind.
            let spot = self.group.spot;
            all.push(parameter("dns-search", Node::new(self.domain(), spot)));
            all.extend(
                service
                    .dns_search
                    .iter()
                    .flat_map(|all| &all.value)
                    .map(|text| parameter("dns-search", self.text(text))),
            );
            return all;
        }
        let search =
            service.dns_search.iter().flat_map(|all| &all.value).map(|text| ("dns_search", Sources::from(text.spot)));
        let lost: Vec<(&str, Sources)> =
            found.iter().map(|(attribute, node)| (*attribute, node.from)).chain(search).collect();
        for attribute in lost.iter().map(|(attribute, _)| *attribute).collect::<std::collections::BTreeSet<_>>() {
            let from = lost.iter().filter(|(known, _)| *known == attribute).map(|(_, from)| *from);
            let spots: Vec<Spot> = self.project.origins.spots(self.project.origins.join(from));
            let words = format!("`{attribute}` of `{name}` is a matter of the engine of Docker");
            let at = format!("services.{name}.{attribute}");
            self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "set `container: docker`");
        }
        Vec::new()
    }
}

fn limits(options: &mut Options<'_>, service_name: &str, service: &Service) {
    for (name, limit) in service.ulimits.iter().flat_map(|all| sorted(&all.value)) {
        let value = &limit.value;
        let both = [value.single.as_ref(), value.soft.as_ref(), value.hard.as_ref()];
        let from =
            options.translator.project.origins.union(both.iter().flatten().map(|one| one.spot).chain([limit.spot]));
        let text = match (both[0], both[1], both[2]) {
            (Some(single), ..) => format!("{name}={}", single.value),
            (None, Some(soft), Some(hard)) => format!("{name}={}:{}", soft.value, hard.value),
            (None, Some(one), None) | (None, None, Some(one)) => format!("{name}={}", one.value),
            // One number for both stands as it is written.
            (None, None, None) => {
                let project = options.translator.project;
                let written = project.canonical.at(&["services", service_name, "ulimits", name]);
                match written.map(|tree| &tree.value) {
                    Some(Scalar::Integer(number)) => format!("{name}={number}"),
                    _ => continue,
                }
            }
        };
        options.push("ulimits", "ulimit", Node { value: Value::from(text), from });
    }
}

fn logging(options: &mut Options<'_>, service: &Service) {
    let Some(logging) = &service.logging else { return };
    options.text("logging", "log-driver", logging.value.driver.as_ref());
    options.pairs("logging", "log-opt", logging.value.options.as_ref(), "=");
}

fn block_io(options: &mut Options<'_>, service: &Service) {
    let Some(config) = service.blkio_config.as_ref().map(|config| &config.value) else { return };
    options.number("blkio_config", "blkio-weight", config.weight.as_ref());
    options.rates("device-read-bps", config.device_read_bps.as_ref());
    options.rates("device-read-iops", config.device_read_iops.as_ref());
    options.rates("device-write-bps", config.device_write_bps.as_ref());
    options.rates("device-write-iops", config.device_write_iops.as_ref());
    for weight in config.weight_device.iter().flat_map(|all| &all.value) {
        let (Some(path), Some(number)) = (&weight.value.path, &weight.value.weight) else { continue };
        let from = options.translator.project.origins.union([weight.spot, path.spot, number.spot]);
        let text = format!("{}:{}", path.value.plain().unwrap_or_default(), number.value);
        options.push("blkio_config", "blkio-weight-device", Node { value: text.into(), from });
    }
}
