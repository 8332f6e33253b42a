//! Calls in their order, for places that take one object a call.

use std::collections::HashMap;

use super::{Cascade, Condition, Release};
use crate::{
    plan::{Action, Call, Change, Step, StepId},
    value::Key,
};

/// One call per object; removals last, when everything new has settled.
/// `first` are the resources that everything else comes after; `rank` orders removals.
pub(super) fn one_each(
    release: &Release,
    changes: &[Change],
    first: &dyn Fn(&Key) -> bool,
    rank: &dyn Fn(&Change) -> u8,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut made: HashMap<&Key, StepId> = HashMap::new();
    let mut next: StepId = 0;
    let mut id = || {
        next += 1;
        next
    };
    // In the order of the release, in which everything stands behind what it needs.
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| release.resources.get_index_of(&change.key).unwrap_or(usize::MAX));
    let first: Vec<Key> = release.resources.keys().filter(|key| first(key)).cloned().collect();
    for change in &ordered {
        let call = match &change.action {
            Action::Create | Action::Update | Action::Succeed { .. } => Call::Put,
            Action::Replace { cascade } => {
                let step = Step {
                    id: id(),
                    call: Call::Delete { cascade: *cascade },
                    carries: vec![change.key.clone()],
                    address: Some(change.address.clone()),
                    after: Vec::new(),
                };
                steps.push(step);
                Call::Put
            }
            Action::Rerun => Call::Run,
            Action::Settle => Call::Wait,
            Action::Delete | Action::Retire | Action::Keep { .. } => continue,
        };
        let mut after: Vec<(StepId, Condition)> = Vec::new();
        if matches!(change.action, Action::Replace { .. })
            && let Some(removed) = steps.last()
        {
            after.push((removed.id, Condition::Exists));
        }
        for key in &first {
            if *key != change.key
                && let Some(step) = made.get(key)
            {
                after.push((*step, Condition::Exists));
            }
        }
        if let Some(resource) = release.resources.get(&change.key) {
            for dependency in release.dependencies(resource) {
                if let Some(step) = made.get(&dependency.key) {
                    after.push((*step, dependency.until));
                }
            }
        }
        let step =
            Step { id: id(), call, carries: vec![change.key.clone()], address: Some(change.address.clone()), after };
        made.insert(&change.key, step.id);
        steps.push(step);
    }
    let all: Vec<(StepId, Condition)> = ordered
        .iter()
        .filter_map(|change| {
            let step = made.get(&change.key)?;
            Some((
                *step,
                release.resources.get(&change.key).map_or(Condition::Exists, |resource| resource.settles.when),
            ))
        })
        .collect();
    let mut gone: Vec<&Change> =
        changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Retire)).collect();
    gone.sort_by_key(|change| rank(change));
    for change in gone {
        steps.push(Step {
            id: id(),
            call: Call::Delete { cascade: Cascade::All },
            carries: vec![change.key.clone()],
            address: Some(change.address.clone()),
            after: all.clone(),
        });
    }
    steps
}
