//! Health checks: Docker's, with its defaults written out, as probes.

use std::time::Duration;

use super::translate::Translator;
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::parts::some_map,
    value::{Located, Node, Source, Sources, Spot, Value},
};

/// The probes of a container.
#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) startup: Option<Node>,
    pub(super) readiness: Option<Node>,
    pub(super) liveness: Option<Node>,
}

impl Translator<'_> {
    pub(super) fn probes(&self, name: &str, service: &Service, image: &PinnedImage) -> Probes {
        let own = service.healthcheck.as_ref().map(|check| &check.value);
        if own.is_some_and(|check| check.disable.as_ref().is_some_and(|flag| flag.value)) {
            return Probes::default();
        }
        let theirs = image.configuration.as_ref().and_then(|configuration| configuration.healthcheck.as_ref());
        let from_image =
            || self.project.origins.add(Source::Image { reference: image.written.clone(), field: "Healthcheck" });
        let test: Vec<Node> = match (own.and_then(|check| check.test.as_ref()), theirs) {
            (Some(test), _) => test.value.iter().map(|word| self.text(word)).collect(),
            (None, Some(check)) => {
                let spot = from_image();
                check.test.iter().map(|word| Node::new(&**word, spot)).collect()
            }
            (None, None) => return Probes::default(),
        };
        let Some((first, words)) = test.split_first() else { return Probes::default() };
        let command = match first.as_str() {
            Some("CMD") => words.to_vec(),
            Some("CMD-SHELL") => {
                let mut command = vec![Node::new("/bin/sh", first.from), Node::new("-c", first.from)];
                command.extend_from_slice(words);
                command
            }
            _ => return Probes::default(),
        };
        let time = |field: Option<&Located<Duration>>, other: Option<Duration>, default: u64| match (field, other) {
            (Some(field), _) => (field.value, field.spot),
            (None, Some(other)) => (other, from_image()),
            (None, None) => (Duration::from_secs(default), Spot::NOWHERE),
        };
        let interval = time(own.and_then(|check| check.interval.as_ref()), theirs.and_then(|check| check.interval), 30);
        let timeout = time(own.and_then(|check| check.timeout.as_ref()), theirs.and_then(|check| check.timeout), 30);
        let start =
            time(own.and_then(|check| check.start_period.as_ref()), theirs.and_then(|check| check.start_period), 0);
        let start_interval =
            time(own.and_then(|check| check.start_interval.as_ref()), theirs.and_then(|check| check.start_interval), 5);
        let retries = match (own.and_then(|check| check.retries.as_ref()), theirs.and_then(|check| check.retries)) {
            (Some(retries), _) => (retries.value.max(1), retries.spot),
            (None, Some(retries)) => (i64::from(retries).max(1), from_image()),
            (None, None) => (3, Spot::NOWHERE),
        };
        let exec = || {
            let mut inner = Node::map(first.from);
            inner.set("command", Node::new(command.clone(), first.from));
            inner
        };
        let probe = |period: (Duration, Spot), failures: (i64, Sources)| {
            some_map(
                vec![
                    ("exec", Some(exec())),
                    ("periodSeconds", Some(Node::new(seconds(period.0), period.1))),
                    ("timeoutSeconds", Some(Node::new(seconds(timeout.0), timeout.1))),
                    ("failureThreshold", Some(Node { value: Value::Integer(failures.0), from: failures.1 })),
                ],
                first.from,
            )
        };
        let startup = (!start.0.is_zero()).then(|| {
            let every = seconds(start_interval.0);
            let failures = seconds(start.0).div_euclid(every) + i64::from(seconds(start.0) % every != 0) + retries.0;
            let from = self.project.origins.union([start.1, start_interval.1, retries.1]);
            probe(start_interval, (failures, from))
        });
        let liveness = self
            .settings
            .services
            .get(name)
            .and_then(|settings| settings.liveness.as_ref())
            .filter(|liveness| liveness.value)
            .and_then(|_| probe(interval, (retries.0, retries.1.into())));
        Probes { startup: startup.flatten(), readiness: probe(interval, (retries.0, retries.1.into())), liveness }
    }
}

/// Whole seconds, one at least.
pub(super) fn seconds(time: Duration) -> i64 {
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX).max(1)
}
