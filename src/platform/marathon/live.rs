//! Live apps and files as values: whose they are, what they hold, what they refer to. What is secret is concealed before
//! anything else sees it.

use serde_json::Value as Json;

use super::standing::{Deployment, Standing};
use crate::{
    compose::name_says_so,
    platform::{
        Live, Owner, State, Token,
        codec::{conceal, decode},
    },
    target::marathon::{APP, APPLICATION, FILE, RESOURCE, parse_file},
    value::{Address, Application, Called, Fingerprint, Key, Node, Path, Secrets, Sources, Spot, Subject, Text, Value},
};

/// What is needed to read an app.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) application: &'a Application,
    pub(super) secrets: &'a Secrets,
    pub(super) store: Option<&'a str>,
}

/// The address of an app.
pub(super) fn app_address(id: &str) -> Address {
    Address { kind: APP.into(), scope: None, name: Called::Now(id.into()) }
}

/// The address of a file.
pub(super) fn file_address(uri: &str) -> Address {
    Address { kind: FILE.into(), scope: None, name: Called::Now(uri.into()) }
}

impl Reading<'_> {
    /// A live app.
    pub(super) fn app(&self, app: &Json, deployments: &[Deployment]) -> Live {
        let text = |name: &str| app.get(name).and_then(Json::as_str).unwrap_or_default();
        let label = |name: &str| app.get("labels").and_then(|labels| labels.get(name)).and_then(Json::as_str);
        let owner = match label(APPLICATION) {
            None => Owner::Nobody,
            Some(own) if own == self.application.to_string() => Owner::Us,
            Some(other) => Owner::Application(Application::of_mark(other)),
        };
        Live {
            address: app_address(text("id")),
            key: label(RESOURCE).filter(|_| owner == Owner::Us).and_then(|key| key.parse().ok()),
            owner,
            token: Token(text("version").into()),
            body: self.body(app),
            blind: Vec::new(),
            // Whole definitions are written: all of it is ours.
            ours: Some(vec![Path::root()]),
            writers: Vec::new(),
            references: self.fetched(app).into_iter().map(|(uri, _)| file_address(&uri)).collect(),
            state: Standing::of(app, deployments).state(self.secrets),
        }
    }

    /// Files of this application that an app fetches.
    pub(super) fn fetched(&self, app: &Json) -> Vec<(String, Key)> {
        let fetch = app.get("fetch").and_then(Json::as_array).into_iter().flatten();
        let uris = fetch.filter_map(|one| one.get("uri").and_then(Json::as_str));
        uris.filter_map(|uri| Some((uri.to_owned(), parse_file(self.store?, self.application, uri)?))).collect()
    }

    /// A definition without secrets in clear: those we know, and those whose names say that they are some.
    pub(super) fn body(&self, app: &Json) -> Node {
        for (name, value) in app.get("env").and_then(Json::as_object).into_iter().flatten() {
            if let Some(value) = value.as_str().filter(|value| name_says_so(name) && !value.is_empty()) {
                self.secrets.conceal(value.as_bytes(), name, Sources::NONE);
            }
        }
        let mut body = decode(app);
        if let Some(Node { value: Value::Map(entries), .. }) = body.get_mut("env") {
            for (name, node) in entries.iter_mut().filter(|(name, _)| name_says_so(name)) {
                if let Value::Text(text) = &mut node.value {
                    *text = text.concealed(name, Spot::NOWHERE, self.secrets);
                }
            }
        }
        conceal(&mut body, app, "app", self.secrets);
        body
    }

    /// A file of this application.
    pub(super) fn file(&self, uri: &str, key: Key, content: &[u8]) -> Live {
        let secret = matches!(key.of, Subject::Secret(_));
        let value = match std::str::from_utf8(content) {
            Ok(text) if secret || self.secrets.scrub(text).as_str() != text => {
                Value::Text(Text::secret(text, &key.to_string(), Spot::NOWHERE, self.secrets))
            }
            Ok(text) => Value::Text(Text::from(text)),
            Err(_) => Value::Bytes(self.secrets.conceal(content, &key.to_string(), Sources::NONE)),
        };
        let mut body = Node::map(Sources::NONE);
        body.set("content", Node::new(value, Sources::NONE));
        Live {
            address: file_address(uri),
            key: Some(key),
            owner: Owner::Us,
            token: Token(Fingerprint::of_bytes(content).to_string().into()),
            body,
            blind: Vec::new(),
            ours: Some(vec![Path::root()]),
            writers: Vec::new(),
            references: Vec::new(),
            state: State::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_app_says_whose_it_is_and_shows_no_secret() {
        let secrets = Secrets::default();
        secrets.conceal(b"hunter2", "PASSWORD", Sources::NONE);
        let application = Application { project: "shop".into(), environment: "test".into() };
        let reading = Reading { application: &application, secrets: &secrets, store: Some("http://store") };
        let app = |owner: &str| {
            json!({"id": "/shop-test/web", "version": "7", "instances": 0, "labels": {"TRANSSHIP_APPLICATION": owner,
                "TRANSSHIP_RESOURCE": "service/web/workload"}, "env": {"DSN": "postgres://u:hunter2@db", "API_TOKEN": "of-the-server"},
                "fetch": [{"uri": "http://store/shop/test/config/web/content/web-abc"}, {"uri": "file:///etc/docker.tar.gz"}]})
        };
        let live = reading.app(&app("shop/test"), &[]);
        assert_eq!(
            (live.owner, live.key.map(|key| key.to_string()).as_deref()),
            (Owner::Us, Some("service/web/workload"))
        );
        assert_eq!(live.references, [file_address("http://store/shop/test/config/web/content/web-abc")]);
        assert_eq!(live.state, State::Settled);
        let shown = format!("{:?}", live.body);
        assert!(!shown.contains("hunter2") && !shown.contains("of-the-server"), "{shown}");
        let other = reading.app(&app("shop/production"), &[]);
        assert!(matches!(other.owner, Owner::Application(_)) && other.key.is_none());
        assert_eq!(reading.app(&json!({"id": "/x"}), &[]).owner, Owner::Nobody);
    }
}
