//! Between bodies and the JSON that places speak. One of the two rooms that may read secret bytes.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value as Json;

use super::Live;
use crate::{
    target::Release,
    value::{Exposure, Key, Masked, Node, Part, Path, Secrets, Sources, Spot, Text, Value},
};

/// A body that cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// It refers to a resource that is not in the release, or has no name yet.
    #[error("the name of {0} is not known")]
    Reference(Masked),
    /// A secret of a recorded body that is nowhere to be had.
    #[error("a secret of this record cannot be read back")]
    Hole,
}

/// A body as JSON, secrets in clear; bytes as base64. Values that are not ours get their default.
pub fn encode(node: &Node, release: &Release) -> Result<Json, Unresolved> {
    encode_with(node, &|key, part| release.resolve(key, part).map(str::to_owned), &release.concealed)
}

/// A body as JSON, to be laid over a live object by a place that knows who wrote which value. What is not ours
/// is left out where it is there: unless we wrote it ourselves, at its creation, when leaving it out would
/// take it away; then it is written as it is.
pub fn encode_onto(node: &Node, release: &Release, live: Option<&Live>) -> Result<Json, Unresolved> {
    match live {
        None => encode(node, release),
        Some(live) => encode(&settled_onto(node, &live.body, &Path::root(), live.ours.as_deref()), release),
    }
}

/// The body with each value that is not ours as it is live, or without it.
fn settled_onto(node: &Node, at: &Node, path: &Path, ours: Option<&[Path]>) -> Node {
    let value = match &node.value {
        Value::Map(entries) => {
            let mut settled = Vec::with_capacity(entries.len());
            for (name, child) in entries {
                let path = path.join(name.clone());
                match (&child.value, at.get(name)) {
                    (Value::Theirs(_), Some(live)) => {
                        let written = ours.is_some_and(|ours| {
                            // All of it is ours where a place takes whole definitions.
                            ours.iter().any(|one| one.steps().is_empty() || one.starts_with(&path))
                        });
                        let value = if written { live.value.clone() } else { Value::Theirs(None) };
                        settled.push((name.clone(), Node { value, from: child.from }));
                    }
                    (_, Some(live)) => settled.push((name.clone(), settled_onto(child, live, &path, ours))),
                    (_, None) => settled.push((name.clone(), child.clone())),
                }
            }
            Value::Map(settled)
        }
        Value::List(items) => {
            let same = |item: &Node, index: usize| match item.get("name").and_then(Node::as_str) {
                Some(name) => at.items().iter().position(|live| live.get("name").and_then(Node::as_str) == Some(name)),
                None => (index < at.items().len()).then_some(index),
            };
            let settle = |(index, item): (usize, &Node)| match same(item, index)
                .and_then(|found| Some((found, at.items().get(found)?)))
            {
                Some((found, live)) => settled_onto(item, live, &path.join(found.to_string()), ours),
                None => item.clone(),
            };
            Value::List(items.iter().enumerate().map(settle).collect())
        }
        other => other.clone(),
    };
    Node { value, from: node.from }
}

fn encode_with(
    node: &Node,
    resolve: &dyn Fn(&Key, Part) -> Option<String>,
    secrets: &Secrets,
) -> Result<Json, Unresolved> {
    let right = Exposure::granted();
    Ok(match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) => Json::from(text.expose(&right)),
        Value::Bytes(id) => Json::from(base64::engine::general_purpose::STANDARD.encode(secrets.expose(*id, &right))),
        Value::List(items) => {
            items.iter().map(|item| encode_with(item, resolve, secrets)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Map(entries) => {
            let mut map = serde_json::Map::with_capacity(entries.len());
            for (key, child) in entries {
                // What is not ours and has no default is not written at all.
                if !matches!(child.value, Value::Theirs(None)) {
                    map.insert(key.to_string(), encode_with(child, resolve, secrets)?);
                }
            }
            map.into()
        }
        Value::Reference(key, part) => {
            resolve(key, *part).map(Json::from).ok_or_else(|| Unresolved::Reference(Masked::words(key.to_string())))?
        }
        Value::Theirs(default) => {
            default.as_ref().map_or(Ok(Json::Null), |inner| encode_with(inner, resolve, secrets))?
        }
        Value::Hole(_) => return Err(Unresolved::Hole),
    })
}

/// A body as JSON for a program that replaces variables itself: secret parts as `${NAME}`, and what those stand for in
/// `variables`; dollar signs that mean nothing are doubled.
pub fn encode_named(
    node: &Node,
    release: &Release,
    variables: &mut BTreeMap<String, String>,
) -> Result<Json, Unresolved> {
    Ok(match &node.value {
        Value::Text(text) => {
            let mut written = String::new();
            for (piece, mark) in text.pieces() {
                if mark.and_then(|(_, secret)| secret).is_some() {
                    let known = variables.iter().find(|(_, value)| *value == piece).map(|(name, _)| name.clone());
                    let name = known.unwrap_or_else(|| format!("TRANSSHIP_SECRET_{}", variables.len() + 1));
                    written.extend(["${", &name, "}"]);
                    variables.insert(name, piece.to_owned());
                } else {
                    written.push_str(&piece.replace('$', "$$"));
                }
            }
            Json::from(written)
        }
        Value::List(items) => {
            let items = items.iter().map(|item| encode_named(item, release, variables));
            items.collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Map(entries) => {
            let mut map = serde_json::Map::with_capacity(entries.len());
            for (key, child) in entries {
                if !matches!(child.value, Value::Theirs(None)) {
                    map.insert(key.to_string(), encode_named(child, release, variables)?);
                }
            }
            map.into()
        }
        Value::Theirs(Some(inner)) => encode_named(inner, release, variables)?,
        _ => encode(node, release)?,
    })
}

/// The bytes that a leaf holds, for a place that takes files.
pub(super) fn bytes(node: &Node, secrets: &Secrets) -> Vec<u8> {
    let right = Exposure::granted();
    match &node.value {
        Value::Text(text) => text.expose(&right).as_bytes().to_vec(),
        Value::Bytes(id) => secrets.expose(*id, &right),
        _ => Vec::new(),
    }
}

/// Puts `${NAME}` in the place of every concealed part of a document, for a program that replaces variables itself;
/// gives the variables to start it with.
pub fn reveal(document: &mut Json, secrets: &Secrets) -> BTreeMap<String, String> {
    let known: Vec<Revealed> = secrets
        .shown(&Exposure::granted())
        .into_iter()
        .enumerate()
        .map(|(number, (shown, bytes))| Revealed { shown, name: format!("TRANSSHIP_SECRET_{}", number + 1), bytes })
        .collect();
    let mut used = BTreeMap::new();
    reveal_in(document, &known, &mut used);
    used
}

/// A secret, and the variable that stands for it.
struct Revealed {
    shown: String,
    name: String,
    bytes: Vec<u8>,
}

fn reveal_in(json: &mut Json, known: &[Revealed], used: &mut BTreeMap<String, String>) {
    match json {
        Json::String(text) if text.contains('‹') => {
            for one in known.iter().filter(|one| text.contains(one.shown.as_str())).collect::<Vec<_>>() {
                *text = text.replace(one.shown.as_str(), &format!("${{{}}}", one.name));
                used.insert(one.name.clone(), String::from_utf8_lossy(&one.bytes).into_owned());
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| reveal_in(item, known, used)),
        Json::Object(entries) => entries.values_mut().for_each(|value| reveal_in(value, known, used)),
        _ => {}
    }
}

/// The value of `X-Registry-Auth`: out of the text of a `.dockerconfigjson` that has one registry in it.
pub(super) fn registry_authorization(config: &Text) -> Option<String> {
    let config: Json = serde_json::from_str(config.expose(&Exposure::granted())).ok()?;
    let (server, entry) = config.get("auths")?.as_object()?.iter().next()?;
    let mut fields = serde_json::Map::from_iter([("serveraddress".to_owned(), Json::from(server.as_str()))]);
    for token in ["identitytoken", "registrytoken"] {
        if let Some(value) = entry.get(token) {
            fields.insert(token.to_owned(), value.clone());
        }
    }
    if fields.len() == 1 {
        let decoded = base64::engine::general_purpose::STANDARD.decode(entry.get("auth")?.as_str()?).ok()?;
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        fields.insert("username".to_owned(), Json::from(user));
        fields.insert("password".to_owned(), Json::from(password));
    }
    Some(base64::engine::general_purpose::URL_SAFE.encode(Json::Object(fields).to_string()))
}

/// Makes every string that holds a known secret secret as a whole; `whole` is the body as the place told it, and one look
/// at it decides whether its strings need one each.
pub(super) fn conceal(body: &mut Node, whole: &Json, name: &str, secrets: &Secrets) {
    fn each(node: &mut Node, name: &str, secrets: &Secrets) {
        match &mut node.value {
            Value::Text(text) if text.plain().is_some_and(|plain| secrets.scrub(plain).as_str() != plain) => {
                *text = text.concealed(name, Spot::NOWHERE, secrets);
            }
            Value::List(items) => items.iter_mut().for_each(|item| each(item, name, secrets)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| each(child, name, secrets)),
            _ => {}
        }
    }
    let whole = whole.to_string();
    if secrets.scrub(&whole).as_str() != whole {
        each(body, name, secrets);
    }
}

/// JSON that a place answered, as a body without sources. Strings that hold known secrets are concealed by
/// the caller, who knows which paths hold them.
pub fn decode(json: &Json) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Integer)
        }
        Json::String(text) => Value::Text(Text::new(text.as_str())),
        Json::Array(items) => Value::List(items.iter().map(decode).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, child)| (key.as_str().into(), decode(child))).collect())
        }
    };
    Node { value, from: Sources::NONE }
}
