//! What would become of a resource. A Swarm has no such question; what is known here is what an engine would leave out
//! without a word, because its API is older than the field.

use crate::{
    plan::Because,
    platform::{Preview, Refusal},
    target::Resource,
    value::{Masked, Node},
};

/// A version of the API.
pub(super) type Version = (u32, u32);

/// Fields that older engines do not know, with the version of the API they came with, and of the engine.
const SINCE: &[(&str, Version, &str)] = &[
    ("Mode.ReplicatedJob", (1, 41), "20.10"),
    ("Mode.GlobalJob", (1, 41), "20.10"),
    ("TaskTemplate.ContainerSpec.CapabilityAdd", (1, 41), "20.10"),
    ("TaskTemplate.ContainerSpec.CapabilityDrop", (1, 41), "20.10"),
    ("TaskTemplate.ContainerSpec.Ulimits", (1, 41), "20.10"),
    ("TaskTemplate.Resources.Limits.Pids", (1, 41), "20.10"),
    ("TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Privileges.Seccomp", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Privileges.AppArmor", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Healthcheck.StartInterval", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Mounts.*.BindOptions.ReadOnlyNonRecursive", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Mounts.*.BindOptions.ReadOnlyForceRecursive", (1, 44), "25"),
    ("TaskTemplate.ContainerSpec.Mounts.*.VolumeOptions.Subpath", (1, 45), "26"),
    ("TaskTemplate.ContainerSpec.OomScoreAdj", (1, 46), "27"),
];

/// What an engine with this version of the API would make of a resource.
pub(super) fn preview(resource: &Resource, version: Version) -> Preview {
    let mut unknown: Vec<String> = Vec::new();
    for (path, since, engine) in SINCE {
        let steps: Vec<&str> = path.split('.').collect();
        if version < *since && holds(&resource.body, &steps) {
            let name = steps.last().copied().unwrap_or_default();
            unknown.push(format!("{name} (from Docker Engine {engine} on)"));
        }
    }
    if unknown.is_empty() {
        return Preview::Local(Because::NoDryRun);
    }
    let (major, minor) = version;
    let words = format!(
        "this engine, of API {major}.{minor}, would leave out {} without a word; take it out for this environment, \
         or use a newer engine",
        unknown.join(", ")
    );
    Preview::Refused(Refusal::Invalid(Masked::words(words)))
}

fn holds(node: &Node, path: &[&str]) -> bool {
    match path.split_first() {
        None => true,
        Some((&"*", rest)) => node.items().iter().any(|item| holds(item, rest)),
        Some((step, rest)) => node.get(step).is_some_and(|child| holds(child, rest)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{
        platform::decode,
        target::{Condition, Life, Settles},
        value::{Fingerprint, Key, Role, Subject},
    };

    #[test]
    fn what_an_old_engine_would_drop_is_refused() {
        let body = json!({"TaskTemplate": {"ContainerSpec": {"OomScoreAdj": 5, "Privileges": {"NoNewPrivileges": true},
            "Mounts": [{"Type": "tmpfs"}, {"VolumeOptions": {"Subpath": "a"}}]}}});
        let key = Key::new(Subject::Service("s".into()), Role::new("workload"));
        let resource = Resource {
            key,
            address: super::super::live::address("Service", "s"),
            body: decode(&body),
            life: Life::Mutable,
            after: Vec::new(),
            settles: Settles { when: Condition::Started, within: Duration::ZERO },
            inputs: Fingerprint::of_bytes(b""),
        };
        let told = |version| match preview(&resource, version) {
            Preview::Refused(Refusal::Invalid(words)) => words.to_string(),
            Preview::Local(Because::NoDryRun) => String::new(),
            other => format!("{other:?}"),
        };
        assert_eq!(
            told((1, 41)),
            "this engine, of API 1.41, would leave out NoNewPrivileges (from Docker Engine 25 on), Subpath (from Docker \
             Engine 26 on), OomScoreAdj (from Docker Engine 27 on) without a word; take it out for this environment, or \
             use a newer engine"
        );
        assert!(told((1, 45)).contains("leave out OomScoreAdj (from"), "{}", told((1, 45)));
        assert_eq!(told((1, 46)), "");
    }
}
