//! Releases made by hand, where a test needs one that no dialect had a part in.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;
use serde_json::Value as Json;
use transship::{
    platform::{self, Failure, Hold},
    target::{Condition, Dialect, Life, Release, Resource, Settles},
    value::{Address, Application, Called, Fingerprint, Key, Node, Origins, Secrets},
};

/// The application of these tests.
pub fn application() -> Application {
    Application { project: "shop".into(), environment: "test".into() }
}

/// A release of nothing.
pub fn release(secrets: &Arc<Secrets>) -> Release {
    Release {
        application: application(),
        dialect: Dialect::Kubernetes,
        resources: IndexMap::new(),
        requires: Vec::new(),
        origins: Arc::new(Origins::default()),
        concealed: secrets.clone(),
    }
}

/// A key.
pub fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// An address in the namespace `shop`.
pub fn address(kind: &str, name: &str) -> Address {
    let scope = (kind != "v1/Namespace").then(|| "shop".into());
    Address { kind: kind.into(), scope, name: Called::Now(name.into()) }
}

/// Adds a resource whose body is this JSON, marked as the application's own.
pub fn add(release: &mut Release, key: &str, kind: &str, body: Json, when: Condition, within: Duration) {
    let mut body = body;
    let (api_version, name) = kind.rsplit_once('/').unwrap();
    body["apiVersion"] = api_version.into();
    body["kind"] = name.into();
    body["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = part_of("shop").into();
    body["metadata"]["annotations"]["transship.dev/resource"] = key.into();
    let address = address(kind, body["metadata"]["name"].as_str().unwrap());
    if kind != "v1/Namespace" {
        body["metadata"]["namespace"] = "shop".into();
    }
    let resource = Resource {
        key: self::key(key),
        address,
        body: node(&body),
        life: Life::Mutable,
        after: Vec::new(),
        settles: Settles { when, within },
        inputs: Fingerprint::of_bytes(b""),
    };
    release.resources.insert(resource.key.clone(), resource);
}

/// JSON as a body.
pub fn node(json: &Json) -> Node {
    platform::decode(json)
}

/// The mark of [`application`] in a namespace.
pub fn part_of(namespace: &str) -> String {
    use base64::Engine as _;
    let hash = Fingerprint::of_bytes(format!("transship-shop-test.{namespace}.ConfigMap.").as_bytes());
    format!("applyset-{}-v1", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash.as_bytes()))
}

/// A lock that is held.
pub struct Held;

impl Hold for Held {
    fn still_ours(&self) -> Result<(), Failure> {
        Ok(())
    }
}
