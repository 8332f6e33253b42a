//! Kinds of objects: how the addresses of a release become paths of the API.

use crate::value::Address;

/// A kind that a server serves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Kind {
    /// `apps/v1`, `v1`.
    pub api_version: Box<str>,
    /// `Deployment`.
    pub name: Box<str>,
    /// `deployments`.
    pub plural: Box<str>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// The kinds that the Kubernetes dialect makes, and those that releases require: their paths need no question.
const KNOWN: &[(&str, &str, &str, bool)] = &[
    ("v1", "Namespace", "namespaces", false),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("batch/v1", "Job", "jobs", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", true),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", false),
];

/// The kinds of [`KNOWN`] that a release may have made, and that are looked through for our mark.
const MADE: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "NetworkPolicy",
    "Ingress",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
];

impl Kind {
    /// One of the kinds whose paths are known, by its address form: `apps/v1/Deployment`.
    pub(super) fn known(text: &str) -> Option<Self> {
        let (api_version, kind) = text.rsplit_once('/')?;
        let (_, _, plural, namespaced) = KNOWN.iter().find(|known| known.0 == api_version && known.1 == kind)?;
        Some(Self {
            api_version: api_version.into(),
            name: kind.into(),
            plural: (*plural).into(),
            namespaced: *namespaced,
        })
    }

    /// All kinds that a release of the Kubernetes dialect may have made.
    pub(super) fn made() -> Vec<Self> {
        KNOWN
            .iter()
            .filter(|known| MADE.contains(&known.1))
            .filter_map(|known| Self::known(&format!("{}/{}", known.0, known.1)))
            .collect()
    }

    /// The form in addresses: `apps/v1/Deployment`, `v1/Secret`.
    pub(super) fn text(&self) -> Box<str> {
        format!("{}/{}", self.api_version, self.name).into()
    }

    /// Whether it is this kind of the core group or a built-in one, by its bare name.
    pub(super) fn is(&self, kind: &str) -> bool {
        &*self.name == kind && KNOWN.iter().any(|known| known.0 == &*self.api_version && known.1 == kind)
    }

    /// Path of the collection, in a namespace where the kind has such.
    pub(super) fn collection(&self, namespace: Option<&str>) -> String {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("/{root}/{}/namespaces/{}/{}", self.api_version, escape(namespace), self.plural),
            None => format!("/{root}/{}/{}", self.api_version, self.plural),
        }
    }

    /// Path of an object.
    pub(super) fn object(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), escape(name))
    }
}

/// Path under which a server tells what it serves of `apps/v1/Deployment`'s group and version.
pub(super) fn discovery(text: &str) -> Option<(String, &str, &str)> {
    let (api_version, kind) = text.rsplit_once('/')?;
    let root = if api_version.contains('/') { "apis" } else { "api" };
    Some((format!("/{root}/{api_version}"), api_version, kind))
}

/// The address of an object of a built-in kind.
pub(super) fn address(kind: &str, namespace: Option<&str>, name: &str) -> Address {
    let text = KNOWN
        .iter()
        .find(|known| known.1 == kind)
        .map_or_else(|| kind.to_owned(), |known| format!("{}/{}", known.0, known.1));
    Address { kind: text.into(), scope: namespace.map(Into::into), name: crate::value::Called::Now(name.into()) }
}

/// A segment of a path, or a value of a query, as it is written in a URL.
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_known_kinds() {
        let path = |kind: &str, namespace| Kind::known(kind).map(|kind| kind.object(namespace, "web"));
        assert_eq!(
            path("apps/v1/Deployment", Some("shop")).as_deref(),
            Some("/apis/apps/v1/namespaces/shop/deployments/web")
        );
        assert_eq!(path("v1/Secret", Some("shop")).as_deref(), Some("/api/v1/namespaces/shop/secrets/web"));
        assert_eq!(path("v1/Namespace", Some("shop")).as_deref(), Some("/api/v1/namespaces/web"));
        assert_eq!(path("v1/Deployment", None), None);
        assert_eq!(
            discovery("example.com/v1/Widget"),
            Some(("/apis/example.com/v1".to_owned(), "example.com/v1", "Widget"))
        );
    }
}
