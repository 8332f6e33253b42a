//! Secret bytes, kept in one place and concealed everywhere else.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
};

use base64::Engine as _;

use super::{Masked, Sources};

/// The `n` of `‹secret #n›`. Equal bytes have equal numbers within one run, in order of first appearance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SecretId(pub(super) u32);

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‹secret #{}›", self.0 + 1)
    }
}

/// The right to read secret bytes. Made in two places only: the encoders of `platform`, and
/// [`Configuration`](crate::compose::Configuration), which is what Docker Compose prints. A test looks for a third.
pub struct Exposure(());

impl Exposure {
    /// To be called by an encoder of `platform`, or by the `config` command.
    pub(crate) const fn granted() -> Self {
        Self(())
    }
}

/// All secret bytes of a run. Append-only and shared; neither `Serialize` nor `Display`.
#[derive(Default)]
pub struct Secrets {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    values: Vec<Value>,
    numbers: HashMap<Box<[u8]>, u32>,
}

struct Value {
    bytes: Box<[u8]>,
    name: Box<str>,
    from: Sources,
}

/// Shorter values (`1`, `on`) would turn every foreign text into noise, and no longer be secret for it.
const SHORTEST_SEARCHED: usize = 4;

impl Secrets {
    /// Registers secret bytes under the name of what holds them; the same bytes again give the same number.
    pub fn conceal(&self, bytes: &[u8], name: &str, from: Sources) -> SecretId {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = inner.numbers.get(bytes) {
            return SecretId(*number);
        }
        let number = u32::try_from(inner.values.len()).unwrap_or(u32::MAX);
        inner.values.push(Value { bytes: bytes.into(), name: name.into(), from });
        inner.numbers.insert(bytes.into(), number);
        SecretId(number)
    }

    /// The name the bytes were first registered under, and where they came from.
    pub fn describe(&self, id: SecretId) -> Option<(Box<str>, Sources)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.values.get(id.0 as usize).map(|value| (value.name.clone(), value.from))
    }

    /// How each secret is shown, and the name it was first registered under.
    pub fn names(&self) -> Vec<(String, Box<str>)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let shown = |number: usize| SecretId(u32::try_from(number).unwrap_or(u32::MAX)).to_string();
        inner.values.iter().enumerate().map(|(number, value)| (shown(number), value.name.clone())).collect()
    }

    /// How many bytes they are.
    pub fn length(&self, id: SecretId) -> usize {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.values.get(id.0 as usize).map_or(0, |value| value.bytes.len())
    }

    /// How each secret is shown, and its bytes.
    pub fn shown(&self, _right: &Exposure) -> Vec<(String, Vec<u8>)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let shown = |number: usize| SecretId(u32::try_from(number).unwrap_or(u32::MAX)).to_string();
        inner.values.iter().enumerate().map(|(number, value)| (shown(number), value.bytes.to_vec())).collect()
    }

    /// The bytes themselves.
    pub fn expose(&self, id: SecretId, _right: &Exposure) -> Vec<u8> {
        self.bytes(id)
    }

    /// For keyed hashing inside `value`.
    pub(super) fn bytes(&self, id: SecretId) -> Vec<u8> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.values.get(id.0 as usize).map(|value| value.bytes.to_vec()).unwrap_or_default()
    }

    /// Text that is not ours (a server's answer, a container's log): every known value in it is concealed,
    /// as it is, in base64, JSON-escaped, percent-escaped, and line by line of values with several lines.
    pub fn scrub(&self, text: &str) -> Masked {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let mut forms: Vec<(String, SecretId)> = Vec::new();
        for (number, value) in inner.values.iter().enumerate() {
            let id = SecretId(u32::try_from(number).unwrap_or(u32::MAX));
            forms.extend(forms_of(&value.bytes).into_iter().map(|form| (form, id)));
        }
        // Longest first, so that a value that contains another is concealed whole.
        forms.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let mut out = text.to_owned();
        for (form, id) in forms {
            if out.contains(&form) {
                out = out.replace(&form, &id.to_string());
            }
        }
        Masked::concealed(out)
    }
}

fn forms_of(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    if bytes.len() < SHORTEST_SEARCHED {
        return forms;
    }
    forms.push(base64::engine::general_purpose::STANDARD.encode(bytes));
    forms.push(base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes));
    forms.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        forms.push(text.to_owned());
        let json = serde_json::Value::from(text).to_string();
        forms.push(json.get(1..json.len() - 1).unwrap_or_default().to_owned());
        forms.push(percent_escaped(text));
        let trimmed = text.trim();
        if trimmed.len() >= SHORTEST_SEARCHED {
            forms.push(trimmed.to_owned());
        }
        if text.contains('\n') {
            forms.extend(text.lines().map(str::trim).filter(|l| l.len() >= SHORTEST_SEARCHED).map(str::to_owned));
        }
    }
    forms
}

fn percent_escaped(text: &str) -> String {
    use fmt::Write as _;
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

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.inner.read().unwrap_or_else(PoisonError::into_inner).values.len();
        write!(f, "{count} secret values")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conceals_every_form_of_a_known_value() {
        let secrets = Secrets::default();
        secrets.conceal(b"p@ss \"word\"", "PASSWORD", Sources::NONE);
        for text in ["x p@ss \"word\" y", "x p@ss \\\"word\\\" y", "x p%40ss%20%22word%22 y", "x cEBzcyAid29yZCI= y"] {
            assert_eq!(secrets.scrub(text).as_str(), "x ‹secret #1› y", "{text}");
        }
    }

    #[test]
    fn equal_bytes_share_a_number() {
        let secrets = Secrets::default();
        let first = secrets.conceal(b"alpha", "A", Sources::NONE);
        let other = secrets.conceal(b"omega", "B", Sources::NONE);
        assert_eq!(secrets.conceal(b"alpha", "C", Sources::NONE), first);
        assert_ne!(first, other);
        assert_eq!(format!("{secrets:?}"), "2 secret values");
    }
}
