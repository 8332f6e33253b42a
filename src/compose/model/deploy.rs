//! `deploy`: how a service runs on a cluster.

use super::{List, Strings, Time, field::part};
use crate::value::Text;

part! {
    /// `deploy`. Specification: deploy.
    Deploy {
        /// `endpoint_mode`: `vip` or `dnsrr`.
        endpoint_mode: Text,
        /// `labels`.
        labels: Strings,
        /// `mode`: `replicated`, `global`, `replicated-job`, `global-job`.
        mode: Text,
        /// `placement`.
        placement: Placement,
        /// `replicas`.
        replicas: i64,
        /// `resources`.
        resources: Resources,
        /// `restart_policy`.
        restart_policy: RestartPolicy,
        /// `rollback_config`.
        rollback_config: UpdateConfig,
        /// `update_config`.
        update_config: UpdateConfig,
    }
}

part! {
    /// `deploy.placement`.
    Placement {
        /// `constraints`.
        constraints: List<Text>,
        /// `max_replicas_per_node`.
        max_replicas_per_node: i64,
        /// `preferences`.
        preferences: List<Preference>,
    }
}

part! {
    /// `deploy.placement.preferences.*`.
    Preference {
        /// `spread`.
        spread: Text,
    }
}

part! {
    /// `deploy.resources`.
    Resources {
        /// `limits`.
        limits: Resource,
        /// `reservations`.
        reservations: Resource,
    }
}

part! {
    /// `deploy.resources.limits`, `deploy.resources.reservations`.
    Resource {
        /// `cpus`.
        cpus: f64,
        /// `devices`; reservations only.
        devices: List<DeviceRequest>,
        /// `generic_resources`; reservations only.
        generic_resources: List<GenericResource>,
        /// `memory`, bytes.
        memory: i64,
        /// `pids`; limits only.
        pids: i64,
    }
}

part! {
    /// `gpus.*`, `deploy.resources.reservations.devices.*`.
    DeviceRequest {
        /// `capabilities`.
        capabilities: List<Text>,
        /// `count`; -1 is all.
        count: i64,
        /// `device_ids`.
        device_ids: List<Text>,
        /// `driver`.
        driver: Text,
        /// `options`.
        options: Strings,
    }
}

part! {
    /// `deploy.resources.reservations.generic_resources.*`.
    GenericResource {
        /// `discrete_resource_spec`.
        discrete_resource_spec: DiscreteResource,
    }
}

part! {
    /// `discrete_resource_spec`.
    DiscreteResource {
        /// `kind`.
        kind: Text,
        /// `value`.
        value: f64,
    }
}

part! {
    /// `deploy.restart_policy`.
    RestartPolicy {
        /// `condition`.
        condition: Text,
        /// `delay`.
        delay: Time,
        /// `max_attempts`.
        max_attempts: i64,
        /// `window`.
        window: Time,
    }
}

part! {
    /// `deploy.update_config`, `deploy.rollback_config`.
    UpdateConfig {
        /// `delay`.
        delay: Time,
        /// `failure_action`.
        failure_action: Text,
        /// `max_failure_ratio`.
        max_failure_ratio: f64,
        /// `monitor`.
        monitor: Time,
        /// `order`: `stop-first` or `start-first`.
        order: Text,
        /// `parallelism`.
        parallelism: i64,
    }
}
