//! The calls of a plan: one for each network, volume and content, one for each layer of services that depend on
//! nothing but earlier layers.

use std::collections::HashMap;

use super::kind;
use crate::{
    plan::{Action, Call, Change, Step, StepId},
    target::{Cascade, Condition, Release, Resource},
    value::{Key, Node, Subject},
};

pub(super) fn schedule(release: &Release, changes: &[Change]) -> Vec<Step> {
    let mut schedule = Schedule { release, steps: Vec::new(), made: HashMap::new() };
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| release.resources.get_index_of(&change.key).unwrap_or(usize::MAX));
    for change in ordered.iter().filter(|change| &*change.address.kind != kind::SERVICE) {
        schedule.object(change);
    }
    schedule.services(&ordered);
    schedule.removals(changes);
    schedule.steps
}

struct Schedule<'a> {
    release: &'a Release,
    steps: Vec<Step>,
    made: HashMap<Key, StepId>,
}

impl Schedule<'_> {
    fn step(
        &mut self,
        call: Call,
        carries: Vec<Key>,
        change: Option<&Change>,
        after: Vec<(StepId, Condition)>,
    ) -> StepId {
        let id = StepId::try_from(self.steps.len()).unwrap_or(StepId::MAX) + 1;
        let address = match (change, carries.first()) {
            (Some(change), _) => Some(change.address.clone()),
            (None, Some(key)) => self.release.resources.get(key).map(|resource| resource.address.clone()),
            (None, None) => None,
        };
        self.steps.push(Step { id, call, carries, address, after });
        id
    }

    /// A network, a volume, a content.
    fn object(&mut self, change: &Change) {
        let carries = vec![change.key.clone()];
        let id = match &change.action {
            Action::Create | Action::Update | Action::Succeed { .. } => {
                self.step(Call::Put, carries, Some(change), Vec::new())
            }
            Action::Replace { cascade } => {
                let gone = self.step(Call::Delete { cascade: *cascade }, carries.clone(), Some(change), Vec::new());
                self.step(Call::Put, carries, Some(change), vec![(gone, Condition::Exists)])
            }
            _ => return,
        };
        self.made.insert(change.key.clone(), id);
    }

    /// Layer by layer, those that change and those that are only waited for.
    fn services(&mut self, ordered: &[&Change]) {
        let mut waits: Vec<Key> = Vec::new();
        let mut starts: Vec<Key> = Vec::new();
        for change in ordered.iter().filter(|change| &*change.address.kind == kind::SERVICE) {
            match change.action {
                Action::Create | Action::Update | Action::Succeed { .. } | Action::Replace { .. } | Action::Rerun => {
                    starts.push(change.key.clone());
                }
                Action::Settle => waits.push(change.key.clone()),
                Action::Delete | Action::Retire | Action::Keep { .. } => {}
            }
        }
        self.companions(ordered, &mut starts);
        waits.retain(|key| !starts.contains(key));
        let mut layers: HashMap<Key, usize> = HashMap::new();
        // The release has everything behind what it depends on.
        for (key, resource) in &self.release.resources {
            if !starts.contains(key) && !waits.contains(key) {
                continue;
            }
            let below = self.release.dependencies(resource).into_iter().filter_map(|after| layers.get(&after.key));
            let layer = below.max().map_or(0, |layer| layer + 1);
            layers.insert(key.clone(), layer);
        }
        let last = layers.values().copied().max().map_or(0, |layer| layer + 1);
        for layer in 0..last {
            let of_layer = |all: &[Key]| -> Vec<Key> {
                let keys = self.release.resources.keys();
                keys.filter(|key| all.contains(key) && layers.get(*key) == Some(&layer)).cloned().collect()
            };
            let (starts, waits) = (of_layer(&starts), of_layer(&waits));
            for (call, keys) in [(Call::Batch { supersedes: None }, starts), (Call::Wait, waits)] {
                if keys.is_empty() {
                    continue;
                }
                let after = self.after(&keys);
                let id = self.step(call, keys.clone(), None, after);
                self.made.extend(keys.into_iter().map(|key| (key, id)));
            }
        }
    }

    /// Containers that live in the network, or with the processes, of one that is made anew go with it; so do all
    /// that are attached to a network that is.
    fn companions(&self, ordered: &[&Change], starts: &mut Vec<Key>) {
        let networks: Vec<&str> = ordered
            .iter()
            .filter(|change| matches!(change.action, Action::Replace { .. }))
            .filter_map(|change| match &change.key.of {
                Subject::Network(name) => Some(&**name),
                _ => None,
            })
            .collect();
        for (key, resource) in &self.release.resources {
            let attached = |name: &&str| resource.body.get("networks").is_some_and(|all| all.get(name).is_some());
            let with = lives_with(resource).iter().any(|other| starts.contains(other));
            if &*resource.address.kind == kind::SERVICE
                && !starts.contains(key)
                && (with || networks.iter().any(attached))
            {
                starts.push(key.clone());
            }
        }
    }

    fn after(&self, keys: &[Key]) -> Vec<(StepId, Condition)> {
        let mut after: Vec<(StepId, Condition)> = Vec::new();
        let resources = keys.iter().filter_map(|key| self.release.resources.get(key));
        for dependency in resources.flat_map(|resource| self.release.dependencies(resource)) {
            let Some(step) = self.made.get(&dependency.key) else { continue };
            match after.iter_mut().find(|(known, _)| known == step) {
                Some((_, until)) => *until = (*until).max(dependency.until),
                None => after.push((*step, dependency.until)),
            }
        }
        after
    }

    /// What is wanted no more goes last: containers before what they use.
    fn removals(&mut self, changes: &[Change]) {
        let all: Vec<(StepId, Condition)> = self
            .steps
            .iter()
            .map(|step| {
                let settles = step.carries.iter().filter_map(|key| self.release.resources.get(key));
                let most = settles.map(|resource| resource.settles.when).max();
                (step.id, most.unwrap_or(Condition::Exists))
            })
            .collect();
        let mut gone: Vec<&Change> =
            changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Retire)).collect();
        gone.sort_by_key(|change| (&*change.address.kind != kind::SERVICE, &*change.address.kind != kind::NETWORK));
        for change in gone {
            let call = Call::Delete { cascade: Cascade::All };
            self.step(call, vec![change.key.clone()], Some(change), all.clone());
        }
    }
}

/// The services whose network, processes or memory a service lives in.
pub(crate) fn lives_with(resource: &Resource) -> Vec<Key> {
    let named = |node: &Node| node.as_str()?.strip_prefix("service:").map(super::service::key);
    ["network_mode", "pid", "ipc"].iter().filter_map(|name| named(resource.body.get(name)?)).collect()
}
