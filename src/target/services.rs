//! What all dialects ask of the services of a project.

use super::{Unit, codes};
use crate::{
    compose::{
        self,
        model::{Project, Service},
    },
    diagnostic::{Finding, Findings},
    image::{Pinned, PinnedImage},
    value::{Fingerprint, Keyring, Located, Masked, Name, Node, Sources, Spot},
};

/// The services of a unit by name: the order of the file says nothing.
pub(super) fn wanted(project: &Project, unit: &Unit) -> Vec<Name> {
    let is_wanted = |name: &&Name| unit.services.as_ref().is_none_or(|services| services.contains(name));
    let mut wanted: Vec<Name> = project.services.keys().filter(is_wanted).cloned().collect();
    wanted.sort();
    wanted
}

/// The image that a service runs; a finding where there is none, and none for what a provider stands for, which is
/// refused as such.
pub(super) fn image(pinned: &Pinned, name: &str, service: &Located<Service>) -> Result<PinnedImage, Findings> {
    let written = service.value.image.as_ref();
    let found = pinned.image_of(name).or_else(|| pinned.image(&written?.value)).cloned();
    found.ok_or_else(|| {
        if service.value.provider.is_some() {
            return Findings::new();
        }
        let words = format!("the service `{name}` has no image that could run");
        let finding = Finding::new(&codes::NEEDS, Masked::words(words), service.spot);
        finding.at(format!("services.{name}.image")).help("give it an `image`, and build and push it before").into()
    })
}

/// Over what the objects of a service are made from.
pub(super) fn inputs(project: &Project, name: &str, image: &PinnedImage, keys: &Keyring) -> Fingerprint {
    let mut node = Node::map(Sources::NONE);
    if let Some(tree) = project.canonical.at(&["services", name]) {
        node.set("service", compose::body(tree, &project.origins));
    }
    node.set("image", Node::new(&*image.reference, Sources::NONE));
    Fingerprint::of(&node, keys, &project.concealed)
}

/// Services that run to their end: others wait for that, or they say so themselves.
pub(super) fn jobs(project: &Project) -> Vec<Name> {
    let mut found: Vec<Name> = Vec::new();
    for (name, service) in &project.services {
        for (other, dependency) in service.value.depends_on.iter().flat_map(|all| &all.value) {
            let condition = dependency.value.condition.as_ref().and_then(|condition| condition.value.plain());
            if condition == Some("service_completed_successfully") {
                found.push(other.clone());
            }
        }
        let mode = service
            .value
            .deploy
            .as_ref()
            .and_then(|deploy| deploy.value.mode.as_ref())
            .and_then(|mode| mode.value.plain());
        let runs_once = restart_policy(&service.value)
            .is_some_and(|(policy, _)| policy == "no" || policy.starts_with("on-failure"))
            && service.value.ports.is_none()
            && service.value.expose.is_none()
            && service.value.healthcheck.is_none();
        if matches!(mode, Some("replicated-job" | "global-job")) || runs_once {
            found.push(name.clone());
        }
    }
    found.retain(|name| project.services.contains_key(name));
    found
}

/// What is to happen when a container ends, and who says so: `deploy.restart_policy` before `restart`, in the words of
/// `restart`.
pub(super) fn restart_policy(service: &Service) -> Option<(&str, Spot)> {
    let deploy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
    let condition = deploy.and_then(|policy| policy.value.condition.as_ref()).and_then(|condition| {
        let word = match condition.value.plain()? {
            "none" => "no",
            "any" => "always",
            other => other,
        };
        Some((word, condition.spot))
    });
    condition.or_else(|| service.restart.as_ref().and_then(|word| Some((word.value.plain()?, word.spot))))
}

/// Dependencies first; what goes round in a circle was refused long before.
pub(super) fn in_order(project: &Project, wanted: &[Name]) -> Vec<Name> {
    fn visit(project: &Project, name: &Name, out: &mut Vec<Name>, open: &mut Vec<Name>) {
        if out.contains(name) || open.contains(name) {
            return;
        }
        open.push(name.clone());
        let service = project.services.get(name);
        let mut others: Vec<&Name> =
            service.and_then(|s| s.value.depends_on.as_ref()).iter().flat_map(|all| all.value.keys()).collect();
        others.sort();
        for other in others {
            visit(project, other, out, open);
        }
        open.pop();
        out.push(name.clone());
    }
    let mut out = Vec::new();
    for name in wanted {
        visit(project, name, &mut out, &mut Vec::new());
    }
    out.retain(|name| wanted.contains(name));
    out
}
