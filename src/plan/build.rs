//! A plan from what is wanted and what was seen. Everything it knows is in its arguments.

use std::collections::HashMap;

use super::{
    Action, Blocked, Cause, Certainty, Change, Consent, Consequence, Difference, Goal, Kept, Options, Plan, Stage,
    difference::{Differ, Extent, equal},
};
use crate::{
    platform::{DestinationId, Live, Observation, Owner, Preview, Refusal, State},
    target::{Life, Mutability, Release, Resource, Target},
    value::{
        Address, Called, FileRole, Fingerprint, Key, Keyring, Masked, Node, Part, Path, Source, Sources, Spot, Text,
        Value,
    },
};

/// The plan of one destination.
pub fn build(
    target: &dyn Target,
    destination: &DestinationId,
    goals: &[Goal],
    seen: &Observation,
    options: &Options,
    keyring: &Keyring,
) -> Plan {
    let stages: Vec<Stage> = goals
        .iter()
        .map(|goal| {
            let mut builder =
                Builder { target, goal, seen, options, keyring, names: HashMap::new(), blocked: Vec::new() };
            builder.names();
            let changes = builder.changes();
            let steps = target.schedule(&goal.release, &changes);
            Stage {
                destination: destination.clone(),
                identity: seen.identity.clone(),
                base: seen.history.base(),
                goal: goal.name,
                changes,
                steps,
                blocked: builder.blocked,
                gate: goal.gate,
            }
        })
        .collect();
    let application = goals.first().map_or_else(
        || crate::value::Application { project: "".into(), environment: "".into() },
        |goal| goal.release.application.clone(),
    );
    Plan { application, stages }
}

struct Builder<'a> {
    target: &'a dyn Target,
    goal: &'a Goal,
    seen: &'a Observation,
    options: &'a Options,
    keyring: &'a Keyring,
    /// Names of resources, those included that are only known because the live one is equal.
    names: HashMap<Key, String>,
    blocked: Vec<Blocked>,
}

impl<'a> Builder<'a> {
    const fn release(&self) -> &'a Release {
        &self.goal.release
    }

    fn live_at(&self, address: &Address) -> Option<&'a Live> {
        self.seen.live.get(address)
    }

    fn live_of(&self, key: &Key) -> Option<&'a Live> {
        self.seen.live.values().find(|live| live.owner == Owner::Us && live.key.as_ref() == Some(key))
    }

    fn names(&mut self) {
        for (key, resource) in &self.release().resources {
            let name = match &resource.address.name {
                Called::Now(name) => Some(name.to_string()),
                // Without the content key: the live one's, where it holds the same.
                Called::AtApply { .. } => self
                    .live_of(key)
                    .filter(|live| same_content(resource, live, self.target.content(&resource.address)))
                    .and_then(|live| live.address.name.now().map(str::to_owned)),
            };
            if let Some(name) = name {
                self.names.insert(key.clone(), name);
            }
        }
    }

    /// The body with names instead of references, in the form that is compared.
    fn wanted(&self, resource: &Resource) -> Node {
        let mut body = resource.body.clone();
        self.resolve(&mut body);
        self.target.canonical(&resource.address, body)
    }

    fn resolve(&self, node: &mut Node) {
        resolve(node, &|key| {
            self.names
                .get(key)
                .cloned()
                .or_else(|| self.release().resources.get(key).map(|resource| resource.address.name.to_string()))
        });
    }

    fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for requirement in &self.seen.missing {
            self.blocked.push(Blocked {
                key: None,
                address: Some(requirement.address.clone()),
                by: Refusal::Missing,
                from: requirement.from,
            });
        }
        for (key, resource) in &self.release().resources {
            if !self.selected(key) {
                continue;
            }
            changes.extend(self.change(resource));
        }
        let causes: HashMap<Key, bool> = changes
            .iter()
            .map(|change: &Change| {
                (change.key.clone(), matches!(change.action, Action::Create | Action::Succeed { .. }))
            })
            .collect();
        for change in &mut changes {
            self.follows(change, &causes);
        }
        if self.options.only.is_none() {
            changes.extend(self.leftovers(&changes));
        }
        changes
    }

    fn selected(&self, key: &Key) -> bool {
        let Some(only) = &self.options.only else { return true };
        match &key.of {
            crate::value::Subject::Service(name) => {
                let service = name.split('/').next().unwrap_or(name);
                only.iter().any(|wanted| &**wanted == service)
            }
            _ => true,
        }
    }

    fn address(&self, resource: &Resource) -> Address {
        let mut address = resource.address.clone();
        if let (Called::AtApply { .. }, Some(name)) = (&address.name, self.names.get(&resource.key)) {
            address.name = Called::Now(name.as_str().into());
        }
        address
    }

    fn change(&mut self, resource: &Resource) -> Option<Change> {
        let address = self.address(resource);
        let wanted = self.wanted(resource);
        // By key and not by name: a plan made before the content key exists wants the same afterwards.
        let by_key = self.target.canonical(&resource.address, resource.body.clone());
        let fingerprint = Fingerprint::of(&by_key, self.keyring, &self.release().concealed);
        match self.live_at(&address) {
            None => Some(self.creation(resource, address, &wanted, fingerprint)),
            Some(live) => self.update(resource, &address, &wanted, fingerprint, live),
        }
    }

    fn creation(&mut self, resource: &Resource, address: Address, wanted: &Node, fingerprint: Fingerprint) -> Change {
        let predecessor = self.live_of(&resource.key);
        let (consequence, _) = self.target.consequence(&address, None, Some(wanted), &[]);
        let (action, differences, before) = match predecessor {
            Some(live) => {
                let old = self.target.canonical(&live.address, live.body.clone());
                let differences = self.differences(&address, wanted, live, &old, wanted, Extent::Ours);
                let action = Action::Succeed { predecessor: live.address.clone() };
                (action, differences, Fingerprint::of(&old, self.keyring, &self.release().concealed))
            }
            None => (Action::Create, Vec::new(), Fingerprint::of_bytes(b"absent")),
        };
        let (certain, effect) = self.certainty(resource, &address);
        let mut causes = self.written(&differences);
        if causes.is_empty() {
            causes.extend(self.first_place(resource).map(Cause::Written));
        }
        let consequence = if resource.life == Life::OneShot { Consequence::Run } else { consequence };
        Change {
            key: resource.key.clone(),
            address,
            action,
            differences,
            causes,
            consequence,
            certain,
            needs: Vec::new(),
            before,
            wanted: fingerprint,
            effect,
        }
    }

    fn certainty(&mut self, resource: &Resource, address: &Address) -> (Certainty, Option<Fingerprint>) {
        match self.seen.previews.get(&resource.key) {
            Some(Preview::Server(node)) => {
                let canonical = self.target.canonical(address, node.clone());
                (Certainty::Server, Some(Fingerprint::of(&canonical, self.keyring, &self.release().concealed)))
            }
            Some(Preview::Same) => (Certainty::Server, None),
            Some(Preview::Local(because)) => (Certainty::Local(because.clone()), None),
            Some(Preview::Refused(refusal)) => {
                if !matches!(refusal, Refusal::Immutable(_)) {
                    self.blocked.push(Blocked {
                        key: Some(resource.key.clone()),
                        address: Some(address.clone()),
                        by: refusal.clone(),
                        from: resource.body.from,
                    });
                }
                (Certainty::Server, None)
            }
            None => (Certainty::Local(super::Because::Offline), None),
        }
    }

    fn differences(
        &self,
        address: &Address,
        wanted: &Node,
        live: &Live,
        before: &Node,
        after: &Node,
        extent: Extent,
    ) -> Vec<Difference> {
        let differ = Differ {
            target: self.target,
            address,
            secrets: &self.release().concealed,
            wanted,
            extent,
            blind: &live.blind,
            ours: live.ours.as_deref().unwrap_or_default(),
        };
        // A name that carries its content is no difference of its own.
        let mut all = differ.all(before, after);
        if live.address != *address {
            let own = self.release().resources.values().find(|resource| self.address(resource) == *address);
            all.retain(|difference| {
                let named = own.and_then(|own| Some((own, own.body.at(&difference.path)?)));
                !named.is_some_and(|(own, node)| matches!(&node.value, Value::Reference(key, _) if **key == own.key))
            });
        }
        all
    }

    fn update(
        &mut self,
        resource: &Resource,
        address: &Address,
        wanted: &Node,
        fingerprint: Fingerprint,
        live: &Live,
    ) -> Option<Change> {
        let mut needs = Vec::new();
        match &live.owner {
            Owner::Us => {}
            owner @ (Owner::Nobody | Owner::Tool(_)) => {
                let consent = Consent::Adopt(Masked::words(address.to_string()));
                if resource.life == Life::Data && *owner == Owner::Nobody && self.target.is_shared(address) {
                    // A namespace that is there needs nobody's mark.
                    return None;
                }
                if !self.options.consents.contains(&consent) {
                    self.block(resource, address, Refusal::Foreign(owner.clone()));
                }
                needs.push(consent);
            }
            owner @ Owner::Application(_) => self.block(resource, address, Refusal::Foreign(owner.clone())),
        }
        let before = self.target.canonical(address, live.body.clone());
        let (certain, effect) = self.certainty(resource, address);
        let mut refused_paths: Vec<Path> = Vec::new();
        let (after, extent) = match self.seen.previews.get(&resource.key) {
            Some(Preview::Same) => (before.clone(), Extent::Everything),
            Some(Preview::Server(node)) => (self.target.canonical(address, node.clone()), Extent::Everything),
            Some(Preview::Refused(Refusal::Immutable(paths))) => {
                refused_paths.clone_from(paths);
                (wanted.clone(), Extent::Ours)
            }
            _ => (wanted.clone(), Extent::Ours),
        };
        let differences = self.differences(address, wanted, live, &before, &after, extent);
        // What bears our mark and holds nothing a release wrote was made to stand something in, as the namespace of
        // the ledger; a plan that creates it holds.
        let before_print = if live.owner == Owner::Us && live.ours.as_ref().is_some_and(Vec::is_empty) {
            Fingerprint::of_bytes(b"absent")
        } else {
            Fingerprint::of(&before, self.keyring, &self.release().concealed)
        };
        let change = |action, differences, causes, consequence, needs| Change {
            key: resource.key.clone(),
            address: address.clone(),
            action,
            differences,
            causes,
            consequence,
            certain: certain.clone(),
            needs,
            before: before_print,
            wanted: fingerprint,
            effect,
        };
        if differences.is_empty() {
            return match &live.state {
                State::Failed(_) if resource.life == Life::OneShot => {
                    Some(change(Action::Rerun, differences, vec![Cause::Unsettled], Consequence::Run, needs))
                }
                State::Progressing { .. } | State::Failed(_) => {
                    Some(change(Action::Settle, differences, vec![Cause::Unsettled], Consequence::Nothing, needs))
                }
                _ => None,
            };
        }
        let paths: Vec<Path> = differences.iter().map(|difference| difference.path.clone()).collect();
        let (consequence, mutability) = self.target.consequence(address, Some(&before), Some(&after), &paths);
        let mutability = match mutability {
            Mutability::InPlace if !refused_paths.is_empty() => {
                Mutability::Replace { cascade: crate::target::Cascade::All }
            }
            other => other,
        };
        let causes = self.causes(resource, wanted, &differences, live);
        let action = match mutability {
            Mutability::InPlace => Action::Update,
            Mutability::Never => {
                self.block(resource, address, Refusal::Immutable(paths));
                let data = resource.life == Life::Data || self.target.holds_data(address, &before);
                Action::Keep { why: if data { Kept::FixedData } else { Kept::Fixed } }
            }
            Mutability::Replace { .. } if resource.life == Life::Data => {
                self.block(resource, address, Refusal::Immutable(paths));
                Action::Keep { why: Kept::Data }
            }
            Mutability::Replace { cascade } => {
                if resource.life == Life::Mutable {
                    needs.push(Consent::Replace);
                    if !self.options.consents.contains(&Consent::Replace) {
                        self.block(resource, address, Refusal::Consent("it has to be removed and made anew"));
                    }
                }
                Action::Replace { cascade }
            }
        };
        Some(change(action, differences, causes, consequence, needs))
    }

    fn block(&mut self, resource: &Resource, address: &Address, by: Refusal) {
        self.blocked.push(Blocked {
            key: Some(resource.key.clone()),
            address: Some(address.clone()),
            by,
            from: resource.body.from,
        });
    }

    /// Why each difference is there: somebody wrote it, somebody changed the live object, or we translate
    /// otherwise than before.
    fn causes(&self, resource: &Resource, wanted: &Node, differences: &[Difference], live: &Live) -> Vec<Cause> {
        let record = self.seen.history.current.as_ref();
        let recorded = record.and_then(|record| record.resources.get(&resource.key));
        let Some(recorded) = recorded else { return self.written(differences) };
        let mut old = recorded.body.clone();
        // By the names of that time: another one since then is a change of ours.
        resolve(&mut old, &|key| {
            record.and_then(|record| record.resources.get(key)).map(|resource| resource.address.name.to_string())
        });
        let old = self.target.canonical(&resource.address, old);
        let print =
            |node: Option<&Node>| node.map(|node| Fingerprint::of(node, self.keyring, &self.release().concealed));
        let mut causes = Vec::new();
        let mut ours = Vec::new();
        for difference in differences {
            let (was, is) = (print(old.at(&difference.path)), print(wanted.at(&difference.path)));
            if was == is {
                let by =
                    live.writers.iter().find(|(path, _)| difference.path.starts_with(path)).map(|(_, by)| by.clone());
                push(&mut causes, Cause::Drift { path: difference.path.clone(), by });
            } else {
                ours.push(difference.clone());
            }
        }
        if !ours.is_empty() {
            if recorded.inputs == resource.inputs
                && !ours.iter().any(|difference| is_reference(resource, &difference.path))
            {
                let from = record.map(|record| record.tool.clone()).unwrap_or_default();
                push(&mut causes, Cause::Translation { from, to: env!("CARGO_PKG_VERSION").into() });
            } else {
                for cause in self.written(&ours) {
                    push(&mut causes, cause);
                }
            }
        }
        causes
    }

    /// The places that were written, for what differs.
    fn written(&self, differences: &[Difference]) -> Vec<Cause> {
        let mut causes = Vec::new();
        for difference in differences {
            if difference.path.steps().last().is_some_and(|step| step.eq_ignore_ascii_case("image"))
                && let (Some(from), Some(to)) = (&difference.before, &difference.after)
            {
                push(&mut causes, Cause::Image { from: from.as_str().into(), to: to.as_str().into() });
            }
            if let Some(spot) = self.best_place(difference.from) {
                push(&mut causes, Cause::Written(spot));
            }
        }
        causes
    }

    fn first_place(&self, resource: &Resource) -> Option<Spot> {
        let of_parts = || self.best_place(resource.sources(&self.release().origins));
        self.best_place(resource.body.from).or_else(of_parts)
    }

    /// Of several places the one that people think of: a file of theirs before a variable, before a default,
    /// before a template.
    fn best_place(&self, sources: Sources) -> Option<Spot> {
        let origins = &self.release().origins;
        origins.spots(sources).into_iter().min_by_key(|spot| match origins.origin(*spot).map(|origin| origin.source) {
            Some(Source::File { file, .. }) => match origins.role(file) {
                Some(FileRole::Template) => 9,
                Some(FileRole::Lock) => 3,
                Some(FileRole::Settings) => 1,
                _ => 0,
            },
            Some(Source::Variable { .. }) => 2,
            Some(Source::Image { .. }) => 4,
            Some(Source::Default { .. }) => 5,
            _ => 6,
        })
    }

    /// What changes because something it refers to has another name.
    fn follows(&self, change: &mut Change, made: &HashMap<Key, bool>) {
        let Some(resource) = self.release().resources.get(&change.key) else { return };
        for difference in &change.differences {
            if let Some(Value::Reference(key, _)) = resource.body.at(&difference.path).map(|node| &node.value)
                && **key != change.key
                && made.get(&**key).copied().unwrap_or(false)
            {
                push(&mut change.causes, Cause::Follows((**key).clone()));
            }
        }
    }

    /// What is ours and wanted no more.
    fn leftovers(&self, changes: &[Change]) -> Vec<Change> {
        let wanted: Vec<Address> = self.release().resources.values().map(|resource| self.address(resource)).collect();
        let changing = |address: &Address| changes.iter().any(|change| change.address == *address);
        let recorded = |key: &Key| self.seen.history.current.as_ref().and_then(|record| record.resources.get(key));
        let data = |live: &Live| {
            let recorded = live.key.as_ref().and_then(recorded);
            recorded.is_some_and(|recorded| recorded.life == Life::Data)
                || self.target.holds_data(&live.address, &live.body)
        };
        // What stays may be started anew at any time, and then needs what it refers to.
        let stays = |live: &Live| {
            let is_wanted = wanted.contains(&live.address);
            (is_wanted && (!changing(&live.address) || self.target.keeps_previous(&live.address)))
                || (!is_wanted && live.owner == Owner::Us && data(live))
        };
        let mut out = Vec::new();
        for live in self.seen.live.values() {
            let Some(key) = live.key.clone().filter(|_| live.owner == Owner::Us) else { continue };
            if wanted.contains(&live.address) || live.state == State::Absent {
                continue;
            }
            let successor = self.release().resources.get(&key);
            let held = self.seen.live.values().any(|other| other.references.contains(&live.address) && stays(other));
            let before = self.target.canonical(&live.address, live.body.clone());
            let action = if data(live) {
                Action::Keep { why: Kept::Data }
            } else if held {
                Action::Keep { why: Kept::Referred }
            } else if successor.is_some() {
                Action::Retire
            } else {
                Action::Delete
            };
            let (consequence, _) = self.target.consequence(&live.address, Some(&before), None, &[]);
            let consequence = match action {
                Action::Keep { .. } => Consequence::Nothing,
                _ => consequence,
            };
            let causes = match (&action, recorded(&key)) {
                (Action::Keep { .. }, _) => Vec::new(),
                _ if self.goal.name == "destroy" => vec![Cause::Asked { what: "destroy" }],
                (Action::Retire, _) => vec![Cause::Follows(key.clone())],
                (_, Some(recorded)) => self.best_place(recorded.body.from).map(Cause::Removed).into_iter().collect(),
                _ => Vec::new(),
            };
            out.push(Change {
                key,
                address: live.address.clone(),
                action,
                differences: Vec::new(),
                causes,
                consequence,
                certain: Certainty::Server,
                needs: Vec::new(),
                before: Fingerprint::of(&before, self.keyring, &self.release().concealed),
                wanted: Fingerprint::of_bytes(b"absent"),
                effect: None,
            });
        }
        out
    }
}

/// Names instead of references.
fn resolve(node: &mut Node, name: &dyn Fn(&Key) -> Option<String>) {
    match &mut node.value {
        Value::Reference(key, Part::Name | Part::Host) => {
            let name = name(key).unwrap_or_else(|| format!("(name of {key})"));
            node.value = Value::Text(Text::from(name));
        }
        Value::List(items) => items.iter_mut().for_each(|item| resolve(item, name)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, entry)| resolve(entry, name)),
        Value::Theirs(Some(inner)) => resolve(inner, name),
        _ => {}
    }
}

fn same_content(resource: &Resource, live: &Live, content: &[&str]) -> bool {
    content.iter().all(|part| match (resource.body.get(part), live.body.get(part)) {
        (None, None) => true,
        (Some(a), Some(b)) => equal(&a.value, &b.value),
        _ => false,
    }) && resource.life == Life::Versioned
}

fn is_reference(resource: &Resource, path: &Path) -> bool {
    resource.body.at(path).is_some_and(|node| matches!(node.value, Value::Reference(..)))
}

fn push(causes: &mut Vec<Cause>, cause: Cause) {
    if !causes.contains(&cause) {
        causes.push(cause);
    }
}
