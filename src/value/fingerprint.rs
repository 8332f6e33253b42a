//! Hashes of bodies that cannot be turned back into secrets.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{Node, Secrets, Text, Value};

/// A hash of a value. Secret parts enter as HMAC under the application's content key, and as the word
/// "secret" when there is no key. The bytes hashed are frozen: saved plans and records hold them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// The keys of one application.
#[derive(Clone, Default)]
pub struct Keyring {
    /// Names of secret content and fingerprints: from `TRANSSHIP_KEY`, or from the ledger, where the first
    /// apply makes it; `None` before that and offline.
    pub content: Option<[u8; 32]>,
    /// Sealing secrets in records: from `TRANSSHIP_KEY` alone, because a key kept beside what it seals
    /// seals nothing.
    pub seal: Option<[u8; 32]>,
}

impl Keyring {
    /// Both keys from the text of `TRANSSHIP_KEY`, each derived for its use.
    pub fn from_text(text: &str) -> Self {
        let derive = |purpose: &str| {
            let mut hash = Sha256::new();
            hash.update(purpose.as_bytes());
            hash.update([0]);
            hash.update(text.trim().as_bytes());
            Some(hash.finalize().into())
        };
        Self { content: derive("transship content"), seal: derive("transship seal") }
    }

    /// HMAC-SHA256 under the content key; `None` without one.
    pub fn authenticate(&self, bytes: &[u8]) -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.content?).ok()?;
        mac.update(bytes);
        Some(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "content key: {}, seal: {}", self.content.is_some(), self.seal.is_some())
    }
}

impl Fingerprint {
    /// Of a body.
    pub fn of(node: &Node, keyring: &Keyring, secrets: &Secrets) -> Self {
        let mut hash = Sha256::new();
        feed(&mut hash, node, keyring, secrets);
        Self(hash.finalize().into())
    }

    /// Of bytes that are no secret.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of bytes that are one.
    pub fn of_secret(bytes: &[u8], keyring: &Keyring) -> Self {
        keyring.authenticate(bytes).map_or_else(|| Self::of_bytes(b"secret"), Self)
    }

    /// Of a string: plain when all of it is, keyed as a whole when a part is secret.
    pub fn of_text(text: &Text, keyring: &Keyring) -> Self {
        match text.plain() {
            Some(plain) => Self::of_bytes(plain.as_bytes()),
            None => Self::of_secret(text.raw().as_bytes(), keyring),
        }
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn feed(hash: &mut Sha256, node: &Node, keyring: &Keyring, secrets: &Secrets) {
    let mut part = |tag: u8, bytes: &[u8]| {
        hash.update([tag]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match &node.value {
        Value::Null => part(b'n', b""),
        Value::Bool(value) => part(b'b', &[u8::from(*value)]),
        Value::Integer(value) => part(b'i', &value.to_be_bytes()),
        Value::Float(value) => part(b'f', &value.to_bits().to_be_bytes()),
        Value::Text(text) => part(b't', Fingerprint::of_text(text, keyring).as_bytes()),
        Value::Bytes(id) => part(b't', Fingerprint::of_secret(&secrets.bytes(*id), keyring).as_bytes()),
        Value::Hole(hole) => {
            part(b't', hole.fingerprint.unwrap_or_else(|| Fingerprint::of_bytes(b"secret")).as_bytes());
        }
        Value::Reference(key, which) => part(b'r', format!("{which:?} {key}").as_bytes()),
        Value::Theirs(_) => part(b'o', b""),
        Value::List(items) => {
            part(b'l', &(items.len() as u64).to_be_bytes());
            for item in items {
                feed(hash, item, keyring, secrets);
            }
        }
        Value::Map(entries) => {
            part(b'm', &(entries.len() as u64).to_be_bytes());
            // By name, so that the order of keys is nobody's difference.
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, child) in sorted {
                hash.update((name.len() as u64).to_be_bytes());
                hash.update(name.as_bytes());
                feed(hash, child, keyring, secrets);
            }
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("not a fingerprint");
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2).unwrap_or_default(), 16)
                .map_err(|_| "not a fingerprint")?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
