//! CPU and memory.

use super::{
    storage::quantity,
    translate::{Translator, some_map},
};
use crate::{
    compose::model::{Resource, Service},
    value::{Located, Node},
};

impl Translator<'_> {
    pub(super) fn resources(&self, service: &Service) -> Option<Node> {
        let deploy =
            service.deploy.as_ref().and_then(|deploy| deploy.value.resources.as_ref()).map(|found| &found.value);
        let limits = deploy.and_then(|resources| resources.limits.as_ref()).map(|found| &found.value);
        let reservations = deploy.and_then(|resources| resources.reservations.as_ref()).map(|found| &found.value);
        let quota = match (&service.cpu_quota, &service.cpu_period) {
            #[allow(clippy::cast_precision_loss, reason = "microseconds are small")]
            (Some(quota), period) if quota.value > 0 => {
                let every = period.as_ref().map_or(100_000, |period| period.value.max(1));
                let spots = [Some(quota.spot), period.as_ref().map(|period| period.spot)];
                let from = self.project.origins.union(spots.into_iter().flatten());
                Some(Node { from, ..Node::new(cpus(quota.value as f64 / every as f64), quota.spot) })
            }
            _ => None,
        };
        let cpu = |part: Option<&Resource>| {
            part.and_then(|part| part.cpus.as_ref()).map(|count| Node::new(cpus(count.value), count.spot))
        };
        let memory = |part: Option<&Resource>| part.and_then(|part| part.memory.as_ref()).and_then(bytes);
        let limit = some_map(
            vec![
                (
                    "cpu",
                    cpu(limits)
                        .or_else(|| service.cpus.as_ref().map(|count| Node::new(cpus(count.value), count.spot)))
                        .or(quota),
                ),
                ("memory", memory(limits).or_else(|| service.mem_limit.as_ref().and_then(bytes))),
                (
                    "ephemeral-storage",
                    service
                        .storage_opt
                        .as_ref()
                        .and_then(|options| options.value.get("size"))
                        .map(|size| self.text(size)),
                ),
            ],
            crate::value::Sources::NONE,
        );
        let shares = service.cpu_shares.as_ref().map(|shares| {
            #[allow(clippy::cast_precision_loss, reason = "shares are small")]
            Node::new(cpus(shares.value as f64 / 1024.0), shares.spot)
        });
        let request = some_map(
            vec![
                ("cpu", cpu(reservations).or(shares)),
                ("memory", memory(reservations).or_else(|| service.mem_reservation.as_ref().and_then(bytes))),
            ],
            crate::value::Sources::NONE,
        );
        some_map(vec![("limits", limit), ("requests", request)], crate::value::Sources::NONE)
    }
}

fn bytes(amount: &Located<i64>) -> Option<Node> {
    (amount.value > 0).then(|| Node::new(quantity(amount.value), amount.spot))
}

/// A number of CPUs as a quantity: `2`, `500m`.
fn cpus(count: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "a small number")]
    let milli = (count * 1000.0).round() as i64;
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}
