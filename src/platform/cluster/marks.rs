//! The marks by which live objects tell whose they are. The dialect writes them; here they are read.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::kind::Kind;
pub(super) use crate::target::kubernetes::{PART_OF, RESOURCE, parent_name};
use crate::{
    platform::Owner,
    target::kubernetes,
    value::{Application, Fingerprint, Key, Masked},
};

/// Label of a parent: the id of its set.
pub(super) const SET_ID: &str = "applyset.kubernetes.io/id";
/// Annotation of a parent: the kinds of its members.
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation of namespaces and ledger entries: whose they are, in words.
pub(super) const APPLICATION: &str = "transship.dev/application";

/// The id of an application's set in a namespace.
pub(super) fn set_id(application: &Application, namespace: &str) -> String {
    kubernetes::set_id(&kubernetes::parent_name(application), namespace)
}

/// The id of the set that a parent holds together, and whose it is.
pub(super) fn parent_of(parent: &Json) -> Option<(String, Application)> {
    let id = parent.pointer("/metadata/labels")?.get(SET_ID)?.as_str()?;
    Some((id.to_owned(), Application::parse(parent.pointer("/data/application")?.as_str()?)?))
}

/// The kinds that a parent says its members have, as `Deployment.apps`.
pub(super) fn group_kinds(parent: &Json) -> Vec<String> {
    let annotation = annotation(parent, GROUP_KINDS).unwrap_or_default();
    annotation.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
}

/// A kind as a parent writes it: `Deployment.apps`, `Secret`.
pub(super) fn group_kind(kind: &Kind) -> String {
    match kind.api_version.split_once('/') {
        Some((group, _)) => format!("{}.{group}", kind.name),
        None => kind.name.to_string(),
    }
}

/// Which resource an object is.
pub(super) fn key(object: &Json) -> Option<Key> {
    annotation(object, RESOURCE)?.parse().ok()
}

/// Whose an object is. `sets` are those of the namespace, by id.
pub(super) fn owner(
    object: &Json,
    application: &Application,
    namespace: &str,
    sets: &BTreeMap<String, Application>,
) -> Owner {
    let label =
        |name: &str| object.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Json::as_str);
    if let Some(set) = label(PART_OF) {
        if set == set_id(application, namespace) {
            return Owner::Us;
        }
        return match sets.get(set) {
            Some(other) => Owner::Application(other.clone()),
            None => Owner::Tool(Masked::words(format!("the ApplySet {set}"))),
        };
    }
    // A namespace is in no set: what belongs to several is in it.
    match annotation(object, APPLICATION).and_then(Application::parse) {
        Some(other) if other == *application => return Owner::Us,
        Some(other) => return Owner::Application(other),
        None => {}
    }
    if let Some(release) = annotation(object, "meta.helm.sh/release-name") {
        return Owner::Tool(Masked::words(format!("the Helm release {release}")));
    }
    if let Some(tracking) = annotation(object, "argocd.argoproj.io/tracking-id") {
        return Owner::Tool(Masked::words(format!("Argo CD ({tracking})")));
    }
    if let Some(app) = label("kapp.k14s.io/app") {
        return Owner::Tool(Masked::words(format!("the kapp application {app}")));
    }
    let controller = object
        .pointer("/metadata/ownerReferences")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true);
    if let Some(controller) = controller {
        let word = |name: &str| controller.get(name).and_then(Json::as_str).unwrap_or_default();
        return Owner::Tool(Masked::words(format!("{} {}", word("kind"), word("name"))));
    }
    Owner::Nobody
}

pub(super) fn annotation<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(name)?.as_str()
}

/// A part of a name: lower case letters, digits and dashes; what had to be changed for that gets a hash, so
/// that two that differ stay different.
pub(super) fn slug(text: &str) -> String {
    const LONGEST: usize = 60;
    let plain: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let trimmed = plain.trim_matches('-');
    if trimmed == text && text.len() <= LONGEST && !text.is_empty() {
        return text.to_owned();
    }
    let hash: String = Fingerprint::of_bytes(text.as_bytes()).to_string().chars().take(8).collect();
    let kept = trimmed.get(..trimmed.len().min(LONGEST - 9)).unwrap_or_default().trim_end_matches('-');
    if kept.is_empty() { hash } else { format!("{kept}-{hash}") }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "literals of JSON are handed over")]
mod tests {
    use serde_json::json;

    use super::*;

    fn shop(environment: &str) -> Application {
        Application { project: "shop".into(), environment: environment.into() }
    }

    /// Written on live objects: a change here makes every installation foreign to us.
    #[test]
    fn marks_are_frozen() {
        assert_eq!(parent_name(&shop("production")), "transship-shop-production");
        assert_eq!(parent_name(&shop("")), "transship-shop");
        assert_eq!(set_id(&shop("production"), "shop"), "applyset-5kvxRUyQXZKQE3MflQoi-d04rPMUrXV680wXYoagVBg-v1");
        assert_ne!(set_id(&shop("production"), "shop"), set_id(&shop("staging"), "shop"));
    }

    #[test]
    fn names_stay_different() {
        assert_eq!(slug("shop-2"), "shop-2");
        assert_ne!(slug("Shop"), slug("shop"));
        assert_ne!(slug("a_b"), slug("a-b"));
        assert_ne!(slug("a.b"), slug("a-b"));
        let long = slug(&"x".repeat(200));
        assert!(long.len() <= 60, "{long}");
        assert_eq!(slug("").len(), 8);
    }

    #[test]
    fn owners() {
        let parent =
            json!({"metadata": {"labels": {SET_ID: "applyset-x-v1"}}, "data": {"application": "shop/staging"}});
        let sets = parent_of(&parent).into_iter().collect();
        let of = |labels: Json, annotations: Json| {
            let object = json!({"metadata": {"labels": labels, "annotations": annotations}});
            owner(&object, &shop("production"), "shop", &sets)
        };
        assert_eq!(of(json!({PART_OF: set_id(&shop("production"), "shop")}), json!({})), Owner::Us);
        assert_eq!(of(json!({PART_OF: "applyset-x-v1"}), json!({})), Owner::Application(shop("staging")));
        assert_eq!(
            of(json!({PART_OF: "applyset-y-v1"}), json!({})),
            Owner::Tool(Masked::words("the ApplySet applyset-y-v1"))
        );
        assert_eq!(of(json!({}), json!({APPLICATION: "shop/production"})), Owner::Us);
        assert_eq!(of(json!({}), json!({APPLICATION: "shop/staging"})), Owner::Application(shop("staging")));
        assert_eq!(of(json!({}), json!({})), Owner::Nobody);
        assert_eq!(
            of(json!({}), json!({"meta.helm.sh/release-name": "shop"})),
            Owner::Tool(Masked::words("the Helm release shop"))
        );
    }
}
