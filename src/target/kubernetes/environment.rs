//! Environment variables: a ConfigMap for what is no secret, a Secret for what is. Values there are literal;
//! in a pod's own list Kubernetes would expand `$(NAME)`.

use super::{
    object::{Object, base64_of},
    translate::Translator,
};
use crate::{
    compose::{model::Service, name_says_so},
    target::{
        Life, Requirement, SecretMode, codes, naming,
        parts::{context, sorted},
    },
    value::{Called, Fingerprint, Key, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

impl Translator<'_> {
    pub(super) fn secret_mode(&self) -> SecretMode {
        match &self.settings.kubernetes.secrets {
            Some(mode) => mode.value,
            None if self.settings.files => SecretMode::Reference,
            None => SecretMode::Inline,
        }
    }

    /// `envFrom` of a container, and the objects it names.
    pub(super) fn environment(&mut self, name: &str, service: &Service, inputs: Fingerprint) -> Option<Node> {
        let environment = service.environment.as_ref()?;
        let forced: Vec<&str> = self
            .settings
            .services
            .get(name)
            .map(|settings| settings.sensitive.iter().map(|name| &*name.value).collect())
            .unwrap_or_default();
        let (mut open, mut closed): (Vec<Variable>, Vec<Variable>) = (Vec::new(), Vec::new());
        for (variable, value) in sorted(&environment.value) {
            let at = format!("services.{name}.environment.{variable}");
            let Some(text) = &value.value else {
                let words = format!("{variable} has no value and is left out");
                self.find(
                    &codes::VARIABLE_LEFT_OUT,
                    words,
                    value.spot,
                    &at,
                    "give it a value, or set it where transship runs",
                );
                continue;
            };
            if variable.is_empty() || !variable.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
                let words = format!("`{variable}` cannot be the name of a variable there");
                self.find(&codes::INVALID_NAME, words, value.spot, &at, "use letters, digits, `_`, `-` and `.`");
                continue;
            }
            let secret = text.is_secret() || forced.contains(&&**variable) || name_says_so(variable);
            let text = if secret && !text.is_secret() {
                text.concealed(variable, value.spot, &self.project.concealed)
            } else {
                text.clone()
            };
            let entry = Variable { name: variable.to_string(), text, spot: value.spot };
            if secret { closed.push(entry) } else { open.push(entry) }
        }
        let mut from = Vec::new();
        if !open.is_empty() {
            from.push(self.open_variables(name, &open, environment.spot, inputs));
        }
        if !closed.is_empty() {
            from.push(self.closed_variables(name, &closed, environment.spot, inputs));
        }
        (!from.is_empty()).then(|| Node::new(from, environment.spot))
    }

    fn open_variables(&mut self, name: &str, variables: &[Variable], spot: Spot, inputs: Fingerprint) -> Node {
        let key = Key::new(Subject::Service(name.into()), Role::new("environment"));
        let stem = format!("{}-environment", naming::slug(name, 40));
        let called = naming::versioned(&stem, &content(variables), self.keys);
        let mut data = Node::map(spot);
        for variable in variables {
            let from = variable.text.sources(variable.spot, &self.project.origins);
            data.set(variable.name.as_str(), Node { value: variable.text.clone().into(), from });
        }
        let object = Object::new(key.clone(), "v1/ConfigMap", called, "configmap.yaml", spot)
            .of(name, inputs)
            .life(Life::Versioned);
        let inner = context(
            "content",
            vec![("immutable", Some(Node::new(true, Sources::NONE))), ("data", Some(data)), ("binaryData", None)],
        );
        self.add(object, inner);
        reference("configMapRef", Value::Reference(Box::new(key), Part::Name), spot)
    }

    fn closed_variables(&mut self, name: &str, variables: &[Variable], spot: Spot, inputs: Fingerprint) -> Node {
        let stem = format!("{}-secrets", naming::slug(name, 40));
        let spots: Vec<Spot> = variables.iter().map(|variable| variable.spot).collect();
        if self.secret_mode() == SecretMode::Reference {
            let from = self.project.origins.union(spots);
            self.requires.push(Requirement {
                address: self.address("v1/Secret", Called::Now(stem.as_str().into())),
                entries: variables.iter().map(|variable| variable.name.as_str().into()).collect(),
                from,
            });
            let mut node = reference("secretRef", Value::from(stem), spot);
            node.from = from;
            return node;
        }
        let key = Key::new(Subject::Service(name.into()), Role::new("secret-environment"));
        let called = naming::versioned(&stem, &content(variables), self.keys);
        let mut data = Node::map(spot);
        for variable in variables {
            let from = variable.text.sources(variable.spot, &self.project.origins);
            let value = base64_of(&variable.text, self, variable.spot);
            data.set(variable.name.as_str(), Node { value, from });
        }
        let object =
            Object::new(key.clone(), "v1/Secret", called, "secret.yaml", spot).of(name, inputs).life(Life::Versioned);
        let inner = context(
            "content",
            vec![
                ("type", Some(Node::new("Opaque", Sources::NONE))),
                ("immutable", Some(Node::new(true, Sources::NONE))),
                ("data", Some(data)),
            ],
        );
        self.add(object, inner);
        reference("secretRef", Value::Reference(Box::new(key), Part::Name), spot)
    }
}

struct Variable {
    name: String,
    text: Text,
    spot: Spot,
}

fn content(variables: &[Variable]) -> naming::Content {
    let entries: Vec<_> = variables.iter().map(|variable| (variable.name.clone(), variable.text.clone())).collect();
    naming::Content::of_entries(&entries)
}

fn reference(kind: &str, name: Value, spot: Spot) -> Node {
    let mut inner = Node::map(spot);
    inner.set("name", Node::new(name, spot));
    let mut outer = Node::map(spot);
    outer.set(kind, inner);
    outer
}
