//! The hash of a service's configuration, to the byte as the reference computes it: what it writes on containers
//! to know which of them are up to date.

use std::{borrow::Cow, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use super::{
    codes,
    render::{Configuration, Form},
};
use crate::{diagnostic::Finding, value::Masked, yaml::Plain};

/// The keys of a service in the order in which they are hashed; others follow by name.
const ORDER: &[&str] = &[
    "annotations",
    "attach",
    "develop",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "cgroup",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpus",
    "cpuset",
    "cpu_shares",
    "command",
    "configs",
    "container_name",
    "credential_spec",
    "deploy",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "provider",
    "environment",
    "env_file",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "group_add",
    "gpus",
    "hostname",
    "healthcheck",
    "image",
    "init",
    "ipc",
    "isolation",
    "labels",
    "label_file",
    "links",
    "logging",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "mem_swappiness",
    "mac_address",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "read_only",
    "restart",
    "runtime",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
    "pre_start",
    "post_start",
    "pre_stop",
    "pull_refresh_after",
];

/// What may change without a new container.
const WITHOUT: &[&str] = &["build", "pull_policy", "scale", "depends_on", "profiles"];

impl Configuration {
    /// Names and hashes of all services, by name.
    ///
    /// # Errors
    /// When a service cannot be built for the platform that `DOCKER_DEFAULT_PLATFORM` names.
    pub fn hashes(&self) -> Result<Vec<(String, String)>, Finding> {
        let mut all = Vec::new();
        let mut root = self.plain(Form::Hashed);
        for (_, services) in root.entries_mut().into_iter().flatten().filter(|(key, _)| key == "services") {
            for (name, service) in services.entries_mut().into_iter().flatten() {
                let Some(service) = service.entries_mut() else { continue };
                self.default_platform(name, service)?;
                let hash = Sha256::digest(hashed(std::mem::take(service)).as_bytes());
                let hex = hash.iter().fold(String::with_capacity(64), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                all.push((name.to_string(), hex));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// What is built runs on the platform of the environment, unless it says its own.
    fn default_platform(&self, name: &str, service: &mut Entries<'_>) -> Result<(), Finding> {
        let Some(default) = self.variables.raw("DOCKER_DEFAULT_PLATFORM").filter(|text| !text.is_empty()) else {
            return Ok(());
        };
        let get = |key: &str| service.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        let Some(build) = get("build") else { return Ok(()) };
        if get("platform").is_some() {
            return Ok(());
        }
        let wanted = Plain::Text(default.into());
        if matches!(build.get("platforms"), Some(Plain::List(all)) if !all.is_empty() && !all.contains(&wanted)) {
            let at = self.tree.at(&["services", name, "build", "platforms"]).map(|tree| tree.spot);
            let words = format!("`build.platforms` does not name {default}, which DOCKER_DEFAULT_PLATFORM asks for");
            return Err(Finding::new(&codes::CONFLICT, Masked::words(words), at.unwrap_or_default())
                .at(format!("services.{name}.build.platforms"))
                .help("add it to the list, or unset the variable"));
        }
        service.push(("platform".into(), Plain::Text(default.to_owned().into())));
        Ok(())
    }
}

type Entries<'t> = Vec<(Cow<'t, str>, Plain<'t>)>;

fn hashed(mut service: Entries<'_>) -> String {
    service.retain(|(key, _)| !WITHOUT.contains(&&**key));
    if let Some((_, deploy)) = service.iter_mut().find(|(key, _)| key == "deploy") {
        deploy.remove("replicas");
    }
    service.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
    let mut out = String::new();
    go_json(&mut out, &Plain::Map(service));
    out
}

/// JSON byte by byte as Go writes it.
fn go_json(out: &mut String, value: &Plain<'_>) {
    match value {
        Plain::Null => out.push_str("null"),
        Plain::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Plain::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        Plain::Unsigned(number) => {
            let _ = write!(out, "{number}");
        }
        Plain::Float(number) => {
            // Every fraction of the model has single precision there.
            #[allow(clippy::cast_possible_truncation, reason = "as the reference holds it")]
            let _ = write!(out, "{}", *number as f32);
        }
        Plain::Text(text) => string(out, text),
        Plain::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                go_json(out, item);
            }
            out.push(']');
        }
        Plain::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(out, key);
                out.push(':');
                go_json(out, value);
            }
            out.push('}');
        }
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
