//! How one generation of an app follows another.

use super::translate::Translator;
use crate::{
    compose::model::Service,
    target::{codes, parts::some_map},
    value::{Node, Sources, Value},
};

impl Translator<'_> {
    /// `upgradeStrategy`; `alone`: two generations cannot stand beside each other.
    pub(super) fn upgrade(&mut self, name: &str, service: &Service, alone: bool) -> Option<Node> {
        let update = service.deploy.as_ref().and_then(|deploy| deploy.value.update_config.as_ref());
        let instances = self.count(name, service).map_or(1, |(count, _)| count.max(1));
        let strategy = |healthy: f64, over: f64, from: Sources| {
            let part = |value: f64| Some(Node { value: share(value), from });
            some_map(vec![("minimumHealthCapacity", part(healthy)), ("maximumOverCapacity", part(over))], from)
        };
        let Some(update) = update else {
            return if alone { strategy(0.0, 0.0, Sources::NONE) } else { None };
        };
        let order = update.value.order.as_ref();
        let parallelism = update.value.parallelism.as_ref();
        let spots = [Some(update.spot), order.map(|order| order.spot), parallelism.map(|count| count.spot)];
        let from = self.project.origins.union(spots.into_iter().flatten());
        let counted = self.count(name, service).is_some();
        if let Some(count) = parallelism.filter(|count| !counted || count.value > instances) {
            let words = format!("`{name}` is counted as {instances}: {} at a time are a share of that", count.value);
            let at = format!("services.{name}.deploy.update_config.parallelism");
            self.find(&codes::APPROXIMATED, words, count.spot, &at, "set `replicas`, and no more at a time than these");
        }
        // None is all at once.
        let at_once = parallelism.map_or(1, |count| count.value).clamp(0, instances);
        #[allow(clippy::cast_precision_loss, reason = "few instances")]
        let part = if at_once == 0 { 1.0 } else { at_once as f64 / instances as f64 };
        let start_first = order.and_then(|order| order.value.plain()) == Some("start-first");
        if start_first && alone {
            let words = format!("`{name}` has a volume or a port that only one can have: the old one ends first");
            let at = format!("services.{name}.deploy.update_config.order");
            self.find(
                &codes::APPROXIMATED,
                words,
                order.map_or(update.spot, |order| order.spot),
                &at,
                "write `order: stop-first`",
            );
        }
        if start_first && !alone { strategy(1.0, part, from) } else { strategy(1.0 - part, 0.0, from) }
    }
}

/// A share with few digits, and a whole one as a whole number.
fn share(value: f64) -> Value {
    let rounded = (value * 10_000.0).round() / 10_000.0;
    #[allow(clippy::cast_possible_truncation, reason = "nought or one")]
    if rounded.fract() == 0.0 { Value::Integer(rounded as i64) } else { Value::Float(rounded) }
}
