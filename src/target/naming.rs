//! Names on the target: what Compose allows and the target does not, and names that carry their content.
//!
//! The bytes that are hashed here are frozen: another byte gives every object of every installation a new name.

use sha2::{Digest as _, Sha256};

use crate::value::{Called, Fingerprint, Keyring, Node, Text, Value};

/// Characters of a content suffix.
const SUFFIX: usize = 10;

/// A name by the rules of DNS labels: lower-case letters, digits and `-`, a letter first, `longest` characters.
/// When something had to be cut, six digits of a hash of the whole keep it apart from others.
pub fn slug(name: &str, longest: usize) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            _ if !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let trimmed = out.trim_matches('-');
    let mut out =
        if trimmed.starts_with(|c: char| c.is_ascii_digit()) { format!("s-{trimmed}") } else { trimmed.to_owned() };
    if out.is_empty() {
        "x".clone_into(&mut out);
    }
    if out.len() > longest {
        let hash = base32(&Sha256::digest(name.as_bytes()), 6);
        out.truncate(longest.saturating_sub(7));
        out = format!("{}-{hash}", out.trim_end_matches('-'));
    }
    out
}

/// A name that carries its content: `<stem>-<10 characters>`. What is secret goes in under the content key;
/// without one the name is not known yet.
pub fn versioned(stem: &str, content: &Content, keys: &Keyring) -> Called {
    let suffix = match content {
        Content::Plain(bytes) => Some(base32(&Sha256::digest(bytes), SUFFIX)),
        Content::Secret(bytes) => keys.authenticate(bytes).map(|mac| base32(&mac, SUFFIX)),
        Content::Unknown => None,
    };
    suffix
        .map_or_else(|| Called::AtApply { stem: stem.into() }, |suffix| Called::Now(format!("{stem}-{suffix}").into()))
}

/// The bytes that a name carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// None of it is secret.
    Plain(Vec<u8>),
    /// Some of it is.
    Secret(Vec<u8>),
    /// It depends on a name that is not known yet.
    Unknown,
}

impl Content {
    /// Entries by name: each as `<length of name>:<name><length of value>:<value>`, sorted by name.
    pub fn of_entries(entries: &[(String, Text)]) -> Self {
        let mut sorted: Vec<&(String, Text)> = entries.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut bytes = Vec::new();
        for (name, value) in sorted {
            bytes.extend(format!("{}:{name}{}:", name.len(), value.raw().len()).into_bytes());
            bytes.extend(value.raw().as_bytes());
        }
        if entries.iter().any(|(_, value)| value.is_secret()) { Self::Secret(bytes) } else { Self::Plain(bytes) }
    }

    /// A body that refers to versioned resources: its fingerprint and their names.
    pub fn of_body(body: &Node, names: &[&Called], keys: &Keyring, secrets: &crate::value::Secrets) -> Self {
        let mut bytes = Fingerprint::of(body, keys, secrets).as_bytes().to_vec();
        for name in names {
            match name {
                Called::Now(name) => {
                    bytes.push(0);
                    bytes.extend(name.as_bytes());
                }
                Called::AtApply { .. } => return Self::Unknown,
            }
        }
        let mut secret = false;
        body.walk(&mut |_, node| {
            secret |= match &node.value {
                Value::Text(text) => text.is_secret(),
                Value::Bytes(_) => true,
                _ => false,
            };
        });
        if secret && keys.content.is_none() { Self::Unknown } else { Self::Plain(bytes) }
    }
}

/// Lower-case base32 without padding.
pub(crate) fn base32(bytes: &[u8], length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(length);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        if out.len() == length {
            break;
        }
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 && out.len() < length {
            bits -= 5;
            let index = (buffer >> bits) & 31;
            out.push(char::from(ALPHABET.get(index as usize).copied().unwrap_or(b'a')));
        }
        buffer &= (1 << bits) - 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Secrets, Spot};

    #[test]
    fn slugs_are_labels_and_stay_apart() {
        for (name, slugged) in [("web", "web"), ("my_web.App", "my-web-app"), ("_x_", "x"), ("1st", "s-1st"), ("", "x")]
        {
            assert_eq!(slug(name, 63), slugged);
        }
        let (a, b) = (slug(&format!("{}a", "x".repeat(70)), 63), slug(&format!("{}b", "x".repeat(70)), 63));
        assert_eq!(a.len(), 63);
        assert_ne!(a, b);
    }

    /// Frozen: other bytes here rename every config and restart every installation.
    #[test]
    fn content_names_never_change() {
        let entries = [("b".to_owned(), Text::from("2")), ("a".to_owned(), Text::from("1"))];
        let content = Content::of_entries(&entries);
        assert_eq!(content, Content::Plain(b"1:a1:11:b1:2".to_vec()));
        let keys = Keyring { content: Some([7; 32]), seal: None };
        assert_eq!(versioned("app", &content, &keys), Called::Now("app-ialoamlpib".into()));
        let secret = [("p".to_owned(), Text::secret("hunter2", "p", Spot::NOWHERE, &Secrets::default()))];
        let content = Content::of_entries(&secret);
        assert_eq!(versioned("app", &content, &keys), Called::Now("app-dnewtdiinh".into()));
        assert_eq!(versioned("app", &content, &Keyring::default()), Called::AtApply { stem: "app".into() });
    }
}
