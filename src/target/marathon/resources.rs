//! Processors and memory: what an app asks for, and what it may use at most.

use super::translate::Translator;
use crate::{
    compose::model::{DeviceRequest, Service},
    target::{codes, parts::some_map},
    value::{Located, Node, Sources, Spot, Value},
};

/// What nobody said: enough to begin with, and little enough for a small cluster.
const CPUS: f64 = 0.1;
const MEMORY: i64 = 256;
const MEGABYTE: i64 = 1 << 20;

/// Resources of an app.
pub(super) struct Asked {
    pub(super) cpus: Node,
    /// Megabytes.
    pub(super) memory: Node,
    pub(super) gpus: Option<Node>,
    pub(super) limits: Option<Node>,
}

impl Translator<'_> {
    pub(super) fn resources(&mut self, name: &str, service: &Service, spot: Spot) -> Asked {
        let resources =
            service.deploy.as_ref().and_then(|deploy| deploy.value.resources.as_ref()).map(|all| &all.value);
        let limits = resources.and_then(|all| all.limits.as_ref()).map(|part| &part.value);
        let reservations = resources.and_then(|all| all.reservations.as_ref()).map(|part| &part.value);
        let shares = service.cpu_shares.as_ref().map(|shares| {
            #[allow(clippy::cast_precision_loss, reason = "shares are small")]
            Located::new(shares.value as f64 / 1024.0, shares.spot)
        });
        let asked = self.first(&[reservations.and_then(|part| part.cpus), shares]);
        let most = self.first(&[limits.and_then(|part| part.cpus), service.cpus]);
        let wanted = asked.or(most.filter(|most| most.0 < CPUS));
        let (cpus, from) = wanted.unwrap_or((CPUS, Sources::NONE));
        let limit_cpus = most.map(|(most, from)| Node { value: number(most.max(cpus)), from });
        let bytes =
            |amount: Option<Located<i64>>| amount.filter(|amount| amount.value > 0).map(|amount| amount.map(megabytes));
        let asked = self.first(&[bytes(reservations.and_then(|part| part.memory)), bytes(service.mem_reservation)]);
        let most = self.first(&[bytes(limits.and_then(|part| part.memory)), bytes(service.mem_limit)]);
        if asked.is_none() && most.is_none() {
            let words = format!("`{name}` says nothing of its memory: {MEMORY} MiB are all that it gets");
            let at = format!("services.{name}.deploy.resources");
            self.find(&codes::RESOURCES, words, spot, &at, "set `deploy.resources.limits.memory`");
        }
        let (memory, memory_from) = asked.or(most).unwrap_or((MEMORY, Sources::NONE));
        // What is asked for is the most there is, unless something else is said.
        let limit_memory =
            most.filter(|_| asked.is_some()).map(|(most, from)| Node { value: Value::Integer(most.max(memory)), from });
        let gpus = self.gpus(name, service, reservations.and_then(|part| part.devices.as_ref()));
        Asked {
            cpus: Node { value: number(cpus.max(0.001)), from },
            memory: Node { value: Value::Integer(memory), from: memory_from },
            gpus,
            limits: some_map(vec![("cpus", limit_cpus), ("mem", limit_memory)], Sources::NONE),
        }
    }

    /// The first that is there; what says the same in other words is part of why.
    fn first<T: Copy>(&self, said: &[Option<Located<T>>]) -> Option<(T, Sources)> {
        let from = self.project.origins.union(said.iter().flatten().map(|one| one.spot));
        said.iter().flatten().next().map(|one| (one.value, from))
    }

    /// Graphics cards: a number of them, with the containerizer of Mesos.
    fn gpus(
        &mut self,
        name: &str,
        service: &Service,
        reserved: Option<&Located<Vec<Located<DeviceRequest>>>>,
    ) -> Option<Node> {
        let mut total = 0;
        let mut from = Vec::new();
        let lists = [(service.gpus.as_ref(), "gpus"), (reserved, "deploy.resources.reservations.devices")];
        for (list, attribute) in lists {
            for request in list.iter().flat_map(|all| &all.value) {
                let at = format!("services.{name}.{attribute}");
                let spots = spots(request);
                let count = request.value.count.as_ref().map(|count| count.value).filter(|count| *count > 0);
                match (count, self.is_docker()) {
                    (Some(count), false) => {
                        total += count;
                        from.extend(spots);
                    }
                    (None, false) => {
                        let words = "all cards of an agent cannot be asked for, only a number of them".to_owned();
                        self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "write `count: 1`");
                    }
                    (_, true) => {
                        let words = format!("`{name}` gets no graphics card from the engine of Docker");
                        self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "set `container: mesos`");
                    }
                }
            }
        }
        (total > 0).then(|| Node { value: Value::Integer(total), from: self.project.origins.union(from) })
    }
}

fn spots(request: &Located<DeviceRequest>) -> Vec<Spot> {
    let value = &request.value;
    let lists = [&value.capabilities, &value.device_ids];
    let words = lists.into_iter().flatten().flat_map(|all| &all.value).map(|word| word.spot);
    let options = value.options.iter().flat_map(|all| all.value.values()).map(|text| text.spot);
    let others = [value.count.as_ref().map(|count| count.spot), value.driver.as_ref().map(|driver| driver.spot)];
    [request.spot].into_iter().chain(words).chain(options).chain(others.into_iter().flatten()).collect()
}

fn megabytes(bytes: i64) -> i64 {
    (bytes + MEGABYTE - 1) / MEGABYTE
}

/// A whole number as one.
fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "a small number")]
    if value.fract() == 0.0 { Value::Integer(value as i64) } else { Value::Float(value) }
}
