//! Live objects as values: whose they are, what they hold, what they refer to. What is secret is concealed before
//! anything else sees it.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value as Json;

use super::connection::name;
use crate::{
    compose::name_says_so,
    platform::{
        Live, Owner, State, Token,
        codec::{conceal, decode},
    },
    target::swarm::{APPLICATION, RESOURCE, STACK},
    value::{Address, Application, Called, Key, Masked, Node, Path, Secrets, Sources, Spot, Text, TextBuilder, Value},
};

/// Kinds of objects, with the collection that each stands in.
pub(super) const KINDS: [(&str, &str); 4] =
    [("Network", "/networks"), ("Config", "/configs"), ("Secret", "/secrets"), ("Service", "/services")];

/// The collection of a kind.
pub(super) fn collection(kind: &str) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("/services", |(_, collection)| collection)
}

/// The address of something.
pub(super) fn address(kind: &str, name: &str) -> Address {
    Address { kind: kind.into(), scope: None, name: Called::Now(name.into()) }
}

/// What is needed to read an object.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) application: &'a Application,
    pub(super) stack: &'a str,
    pub(super) secrets: &'a Secrets,
    /// Names of networks by id: services name them by id.
    pub(super) networks: &'a BTreeMap<String, String>,
}

impl Reading<'_> {
    /// A live object, as far as it says itself how it is.
    pub(super) fn live(&self, kind: &str, object: &Json) -> Live {
        let owner = self.owner(object);
        let index = object.pointer("/Version/Index").map(Json::to_string);
        let identifier = || text(object, "/Id").to_owned();
        Live {
            address: address(kind, name(object)),
            key: if owner == Owner::Us { label(object, RESOURCE).and_then(|key| key.parse().ok()) } else { None },
            owner,
            // A network has no versions, and never changes.
            token: Token(index.unwrap_or_else(identifier).into()),
            body: self.body(kind, object),
            blind: if kind == "Secret" { vec![Path::new(["Data"])] } else { Vec::new() },
            // Whole definitions are written: everything in them is ours.
            ours: Some(vec![Path::root()]),
            writers: Vec::new(),
            references: if kind == "Service" { self.references(object) } else { Vec::new() },
            state: State::Settled,
        }
    }

    /// Whose an object is: ours bears both marks.
    pub(super) fn owner(&self, object: &Json) -> Owner {
        match (label(object, APPLICATION).and_then(Application::parse), label(object, STACK)) {
            (Some(application), Some(stack)) if application == *self.application && stack == self.stack => Owner::Us,
            (Some(application), _) if application != *self.application => Owner::Application(application),
            (_, Some(stack)) => Owner::Tool(Masked::words(format!("the stack {stack}"))),
            (_, None) => Owner::Nobody,
        }
    }

    /// What an object holds, secrets concealed, names in the place of ids.
    pub(super) fn body(&self, kind: &str, object: &Json) -> Node {
        let mut spec = if kind == "Network" { object.clone() } else { object.get("Spec").cloned().unwrap_or_default() };
        for network in spec.pointer_mut("/TaskTemplate/Networks").and_then(Json::as_array_mut).into_iter().flatten() {
            if let Some(name) = network.get("Target").and_then(Json::as_str).and_then(|id| self.networks.get(id)) {
                network["Target"] = Json::from(name.as_str());
            }
        }
        let data = spec.as_object_mut().and_then(|spec| spec.remove("Data"));
        let variables = spec.pointer_mut("/TaskTemplate/ContainerSpec/Env").map(Json::take);
        let mut body = decode(&spec);
        conceal(&mut body, &spec, name(object), self.secrets);
        if let Some(data) = data.as_ref().and_then(Json::as_str) {
            body.set("Data", Node::new(self.data(data, name(object)), Sources::NONE));
        }
        let at = body.get_mut("TaskTemplate").and_then(|task| task.get_mut("ContainerSpec"));
        if let (Some(Json::Array(variables)), Some(at)) = (variables, at) {
            let variables = variables.iter().filter_map(Json::as_str);
            let variables: Vec<Node> = variables.map(|text| Node::new(self.variable(text), Sources::NONE)).collect();
            at.set("Env", Node::new(variables, Sources::NONE));
        }
        body
    }

    /// The content of a config, which is no secret unless it holds one that is known.
    fn data(&self, encoded: &str, name: &str) -> Value {
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
        match String::from_utf8(bytes) {
            Ok(text) if self.secrets.scrub(&text).as_str() == text => Value::from(text),
            Ok(text) => Value::Text(Text::secret(&text, name, Spot::NOWHERE, self.secrets)),
            Err(error) => Value::Bytes(self.secrets.conceal(error.as_bytes(), name, Sources::NONE)),
        }
    }

    /// `NAME=value`, of which the value alone can be secret.
    fn variable(&self, text: &str) -> Text {
        let Some((name, value)) = text.split_once('=') else { return Text::from(text) };
        if value.is_empty() || !(name_says_so(name) || self.secrets.scrub(value).as_str() != value) {
            return Text::from(text);
        }
        let id = self.secrets.conceal(value.as_bytes(), name, Sources::NONE);
        let mut both = TextBuilder::default();
        both.push(name);
        both.push("=");
        both.push_marked(value, Spot::NOWHERE, Some(id));
        both.finish()
    }

    /// What a service names, and what the spec named that it would be put back to.
    fn references(&self, service: &Json) -> Vec<Address> {
        let mut found: Vec<Address> = Vec::new();
        let mut add = |kind: &str, name: &str| {
            let address = address(kind, name);
            if !found.contains(&address) {
                found.push(address);
            }
        };
        for spec in ["/Spec", "/PreviousSpec"] {
            let list = |pointer: &str| {
                service
                    .pointer(&format!("{spec}/TaskTemplate/{pointer}"))
                    .and_then(Json::as_array)
                    .into_iter()
                    .flatten()
            };
            list("ContainerSpec/Configs").for_each(|config| add("Config", text(config, "/ConfigName")));
            list("ContainerSpec/Secrets").for_each(|secret| add("Secret", text(secret, "/SecretName")));
            for network in list("Networks") {
                let target = text(network, "/Target");
                add("Network", self.networks.get(target).map_or(target, String::as_str));
            }
        }
        found
    }
}

/// A label of an object.
pub(super) fn label<'o>(object: &'o Json, name: &str) -> Option<&'o str> {
    let labels = object.pointer("/Spec/Labels").or_else(|| object.get("Labels"));
    labels?.get(name)?.as_str()
}

/// A string of an object; empty where there is none.
pub(super) fn text<'o>(object: &'o Json, pointer: &str) -> &'o str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// Which resource an object says it is.
pub(super) fn key(object: &Json) -> Option<Key> {
    label(object, RESOURCE)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading<'a>(
        application: &'a Application,
        secrets: &'a Secrets,
        networks: &'a BTreeMap<String, String>,
    ) -> Reading<'a> {
        Reading { application, stack: "shop-test", secrets, networks }
    }

    #[test]
    fn a_service_is_read_with_names_and_without_secrets() {
        let secrets = Secrets::default();
        let application = Application { project: "shop".into(), environment: "test".into() };
        let networks = BTreeMap::from([("n1".to_owned(), "shop_back".to_owned())]);
        let service = json!({"ID": "s1", "Version": {"Index": 7}, "Spec": {"Name": "shop_api",
            "Labels": {STACK: "shop-test", APPLICATION: "shop/test", RESOURCE: "service/api/workload"},
            "TaskTemplate": {"ContainerSpec": {"Env": ["A=b", "PASSWORD=hunter2", "EMPTY_TOKEN="],
                "Configs": [{"ConfigName": "c2", "ConfigID": "x"}]}, "Networks": [{"Target": "n1"}]}},
            "PreviousSpec": {"TaskTemplate": {"ContainerSpec": {"Configs": [{"ConfigName": "c1"}],
                "Secrets": [{"SecretName": "p"}]}}}});
        let live = reading(&application, &secrets, &networks).live("Service", &service);
        assert_eq!((live.owner.clone(), &*live.token.0), (Owner::Us, "7"));
        assert_eq!(live.key.map(|key| key.to_string()).as_deref(), Some("service/api/workload"));
        let named: Vec<_> = live.references.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["Config c2", "Network shop_back", "Config c1", "Secret p"]);
        let network = live.body.at(&Path::new(["TaskTemplate", "Networks", "0", "Target"]));
        assert_eq!(network.and_then(Node::as_str), Some("shop_back"));
        let shown = format!("{:?}", live.body);
        assert!(
            shown.contains("PASSWORD=‹secret #1›") && shown.contains("A=b") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn owners() {
        let secrets = Secrets::default();
        let application = Application { project: "shop".into(), environment: "test".into() };
        let networks = BTreeMap::new();
        let owner = |labels: Json| {
            let config =
                json!({"ID": "c", "Version": {"Index": 1}, "Spec": {"Name": "c", "Labels": labels, "Data": "aGk="}});
            reading(&application, &secrets, &networks).live("Config", &config).owner
        };
        assert_eq!(owner(json!({})), Owner::Nobody);
        assert_eq!(owner(json!({STACK: "web"})), Owner::Tool("the stack web".into()));
        let other = Application { project: "shop".into(), environment: "live".into() };
        assert_eq!(owner(json!({STACK: "shop-live", APPLICATION: "shop/live"})), Owner::Application(other));
        assert_eq!(owner(json!({STACK: "shop-test", APPLICATION: "shop/test"})), Owner::Us);
        assert_eq!(owner(json!({STACK: "other", APPLICATION: "shop/test"})), Owner::Tool("the stack other".into()));
        assert_eq!(owner(json!({APPLICATION: "shop/test"})), Owner::Nobody);
    }
}
