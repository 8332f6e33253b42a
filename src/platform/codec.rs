//! Between bodies and the JSON that places speak. One of the two rooms that may read secret bytes.

use base64::Engine as _;
use serde_json::Value as Json;

use crate::{
    target::Release,
    value::{Exposure, Key, Masked, Node, Part, Secrets, Sources, Text, Value},
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

/// A body as JSON, secrets in clear; bytes as base64. `theirs` gives what is live at a value that is not
/// ours, by its own default when `None`.
pub fn encode(node: &Node, release: &Release) -> Result<Json, Unresolved> {
    encode_with(node, &|key, part| release.resolve(key, part).map(str::to_owned), &release.concealed)
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
