//! What runs around a service, what it waits for, and jobs.

use super::{Field, List, Service, Shape, ShapeKind, Variables, field::part};
use crate::value::Text;

part! {
    /// `post_start.*`, `pre_stop.*`, `develop.watch.*.exec`.
    Hook {
        /// `command`.
        command: List<Text>,
        /// `environment`.
        environment: Variables,
        /// `privileged`.
        privileged: bool,
        /// `user`.
        user: Text,
        /// `working_dir`.
        working_dir: Text,
    }
}

part! {
    /// `depends_on.*`.
    Dependency {
        /// `condition`: `service_started`, `service_healthy`, `service_completed_successfully`.
        condition: Text,
        /// `required`.
        required: bool,
        /// `restart`.
        restart: bool,
    }
}

part! {
    /// `env_file.*`.
    EnvFile {
        /// `format`.
        format: Text,
        /// `path`, absolute.
        path: Text,
        /// `required`.
        required: bool,
    }
}

/// `pre_start.*`: a container that runs to its end before the service; what it does not set it has from
/// the service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InitContainer {
    /// Everything a container can say.
    pub container: Box<Service>,
    /// `per_replica`.
    pub per_replica: Field<bool>,
}

impl Shape for InitContainer {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        visit(path, ShapeKind::Part);
        visit(&format!("{path}.per_replica"), ShapeKind::Leaf);
    }
}

/// `jobs.*`: a container that runs when asked or by a schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job {
    /// Everything a container can say.
    pub container: Box<Service>,
    /// `triggers`.
    pub triggers: Field<Triggers>,
}

impl Shape for Job {
    fn shape(path: &str, visit: &mut dyn FnMut(&str, ShapeKind)) {
        visit(path, ShapeKind::Part);
        Triggers::shape(&format!("{path}.triggers"), visit);
    }
}

part! {
    /// `jobs.*.triggers`.
    Triggers {
        /// `manual`.
        manual: bool,
        /// `schedule`.
        schedule: List<Schedule>,
    }
}

part! {
    /// `jobs.*.triggers.schedule.*`.
    Schedule {
        /// `cron`.
        cron: Text,
        /// `timezone`.
        timezone: Text,
        /// `concurrency`.
        concurrency: Text,
        /// `missed_fires`.
        missed_fires: Text,
    }
}
