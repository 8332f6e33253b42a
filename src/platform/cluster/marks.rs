//! The marks by which live objects tell whose they are.

use base64::Engine as _;
use serde_json::{Value as Json, json};

use super::kind::Kind;
use crate::{
    platform::Owner,
    value::{Application, Fingerprint, Key, Masked},
};

/// Label: the set an object belongs to, by the id of the set's parent.
pub(super) const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Label of a parent: the id of its set.
const SET_ID: &str = "applyset.kubernetes.io/id";
/// Annotation of a parent: who looks after the set.
const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// Annotation of a parent: the kinds of its members.
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation: which resource of the application an object is.
pub(super) const RESOURCE: &str = "transship.dev/resource";
/// Annotation: whose an object is, in words.
pub(super) const APPLICATION: &str = "transship.dev/application";

/// The name under which an application keeps what is its own in a namespace: the parent of its set, and the
/// first part of the names of its ledger's entries.
pub(super) fn parent_name(application: &Application) -> String {
    let mut name = format!("transship.{}", slug(&application.project));
    if !application.environment.is_empty() {
        name.push('.');
        name.push_str(&slug(&application.environment));
    }
    name
}

/// The id of an application's set in a namespace, as the ApplySet specification makes it.
pub(super) fn set_id(application: &Application, namespace: &str) -> String {
    let hash = Fingerprint::of_bytes(format!("{}.{namespace}.Secret.", parent_name(application)).as_bytes());
    format!("applyset-{}-v1", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash.as_bytes()))
}

/// The parent of an application's set, whose members are of these kinds.
pub(super) fn parent(application: &Application, namespace: &str, kinds: impl IntoIterator<Item = Kind>) -> Json {
    let mut group_kinds: Vec<String> = kinds.into_iter().map(|kind| group_kind(&kind)).collect();
    group_kinds.sort();
    group_kinds.dedup();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "transship.dev/set",
        "metadata": {
            "name": parent_name(application),
            "namespace": namespace,
            "labels": {SET_ID: set_id(application, namespace)},
            "annotations": {
                TOOLING: concat!("transship/v", env!("CARGO_PKG_VERSION")),
                GROUP_KINDS: group_kinds.join(","),
                APPLICATION: application.to_string(),
            }
        }
    })
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

/// Whose an object is.
pub(super) fn owner(object: &Json, application: &Application, namespace: &str) -> Owner {
    let label =
        |name: &str| object.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Json::as_str);
    if let Some(set) = label(PART_OF) {
        if set == set_id(application, namespace) {
            return Owner::Us;
        }
        let other = annotation(object, APPLICATION).and_then(|text| text.split_once('/'));
        return match other {
            Some((project, environment)) => {
                Owner::Application(Application { project: project.into(), environment: environment.into() })
            }
            None => Owner::Tool(Masked::words(format!("the ApplySet {set}"))),
        };
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
mod tests {
    use super::*;

    fn shop(environment: &str) -> Application {
        Application { project: "shop".into(), environment: environment.into() }
    }

    /// Written on live objects: a change here makes every installation foreign to us.
    #[test]
    fn marks_are_frozen() {
        assert_eq!(parent_name(&shop("production")), "transship.shop.production");
        assert_eq!(parent_name(&shop("")), "transship.shop");
        assert_eq!(set_id(&shop("production"), "shop"), "applyset-oxytsJFdwPiwpqLngik_JfClrwtI7SUxKrR-qIug4mY-v1");
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
        let object =
            |labels: Json, annotations: Json| json!({"metadata": {"labels": labels, "annotations": annotations}});
        let of = |labels, annotations| owner(&object(labels, annotations), &shop("production"), "shop");
        assert_eq!(of(json!({PART_OF: set_id(&shop("production"), "shop")}), json!({})), Owner::Us);
        assert_eq!(
            of(json!({PART_OF: "applyset-x-v1"}), json!({APPLICATION: "shop/staging"})),
            Owner::Application(shop("staging"))
        );
        assert_eq!(of(json!({}), json!({})), Owner::Nobody);
        assert_eq!(
            of(json!({}), json!({"meta.helm.sh/release-name": "shop"})),
            Owner::Tool(Masked::words("the Helm release shop"))
        );
    }
}
