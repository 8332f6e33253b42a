//! Users by number: what `/etc/passwd` and `/etc/group` of an image say of its names.
#![allow(clippy::disallowed_methods, reason = "a layer is unpacked beside what waits for the network")]

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::{
    Digest, Failure, Reference, codes, compression,
    manifest::Layer,
    registry::{Bytes, checked},
    source::Source,
};

/// The most that is read for one image, bytes as they are sent, and of one layer when it is unpacked.
const MOST_SENT: u64 = 512 * 1024 * 1024;
const MOST_UNPACKED: u64 = 4 * 1024 * 1024 * 1024;
/// The most that one of the files may hold, bytes.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// A user and its group, as a kernel knows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Account {
    /// The user.
    pub user: u32,
    /// Its group.
    pub group: u32,
}

impl Account {
    /// Reads `999:999`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (user, group) = text.split_once(':')?;
        Some(Self { user: user.parse().ok()?, group: group.parse().ok()? })
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// Whether `user[:group]` has a name that only the image knows.
pub(super) fn is_named(user: &str) -> bool {
    let known = |word: &str| word.is_empty() || word == "root" || word.parse::<u32>().is_ok();
    !user.split(':').all(known)
}

/// What an image's layers say of users; `None` for one that they do not have, or where they cannot be read.
/// The last layer counts, as where it runs. What is used was read to its end, and has its digest.
pub(super) async fn read<'n>(
    source: &Source<'_>,
    reference: &Reference,
    layers: &[Layer],
    users: impl Iterator<Item = &'n str>,
) -> Result<BTreeMap<Box<str>, Option<Account>>, Failure> {
    let mut files = Files::default();
    let mut left = MOST_SENT;
    for layer in layers.iter().rev() {
        if files.are_settled() {
            break;
        }
        let sent = left.checked_sub(layer.size).filter(|_| !layer.elsewhere);
        let Some(sent) = sent else {
            files = Files { passwd: Found::Gone, group: Found::Gone };
            break;
        };
        left = sent;
        let bytes = source.stream(reference, &layer.digest).await?;
        files = files.with(checked(bytes, layer.digest.clone()), &layer.digest).await?;
    }
    Ok(users.map(|user| (user.into(), files.account(user))).collect())
}

/// The two files, as far as the layers that were read settle them.
#[derive(Clone, Default, Debug, PartialEq)]
struct Files {
    passwd: Found,
    group: Found,
}

#[derive(Clone, Default, Debug, PartialEq)]
enum Found {
    /// A layer below may have it.
    #[default]
    Open,
    /// It was removed, or is nothing that can be read.
    Gone,
    Text(String),
}

impl Files {
    fn are_settled(&self) -> bool {
        self.passwd != Found::Open && self.group != Found::Open
    }

    /// With what the next layer below has.
    async fn with(self, mut bytes: Bytes, digest: &Digest) -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel(8);
        let before = self.clone();
        let unpacking = tokio::task::spawn_blocking(move || {
            let incoming = Incoming { receiver, piece: io::Cursor::default() };
            // What is no archive has neither file.
            self.layer(incoming).unwrap_or(Self { passwd: Found::Gone, group: Found::Gone })
        });
        let mut trouble = None;
        let mut wanted = true;
        while let Some(piece) = bytes.next().await {
            match piece {
                Ok(piece) => wanted = wanted && sender.send(piece).await.is_ok(),
                Err(error) => {
                    trouble = Some(error);
                    break;
                }
            }
        }
        drop(sender);
        let files = unpacking.await.unwrap_or(before);
        let Some(error) = trouble else { return Ok(files) };
        if error.kind() == io::ErrorKind::InvalidData {
            let message = format!("its layer {digest} is not what its digest says");
            return Err(Failure::new(&codes::DIGEST_MISMATCH, message).help("push the image again"));
        }
        Err(Failure::new(&codes::REGISTRY_FAILED, format!("its layer {digest} could not be read: {error}"))
            .help("try again later"))
    }

    fn layer(mut self, content: impl Read + Send + 'static) -> io::Result<Self> {
        let (_, content) = compression::plain(content)?;
        let mut archive = tar::Archive::new(content.take(MOST_UNPACKED));
        let (mut passwd, mut group) = (Found::Open, Found::Open);
        let (mut no_passwd, mut no_group) = (false, false);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            let name = entry.path_bytes().into_owned();
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            match name.strip_prefix(b"/").unwrap_or(name) {
                b"etc/passwd" => passwd = text(&mut entry),
                b"etc/group" => group = text(&mut entry),
                b"etc/.wh.passwd" => no_passwd = true,
                b"etc/.wh.group" => no_group = true,
                b".wh.etc" | b".wh..wh..opq" | b"etc/.wh..wh..opq" => (no_passwd, no_group) = (true, true),
                // A link in its place, or a file.
                b"etc" | b"etc/" if !kind.is_dir() => (no_passwd, no_group) = (true, true),
                _ => {}
            }
            if passwd != Found::Open && group != Found::Open {
                break;
            }
        }
        let settle = |known: &mut Found, found: Found, removed: bool| {
            if *known == Found::Open {
                *known = if found == Found::Open && removed { Found::Gone } else { found };
            }
        };
        settle(&mut self.passwd, passwd, no_passwd);
        settle(&mut self.group, group, no_group);
        Ok(self)
    }

    /// As container runtimes read them: the first line of a name counts, a user alone has the group of its line.
    fn account(&self, user: &str) -> Option<Account> {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        let line = self.passwd.lines().find(|fields| fields.first() == Some(&user) || fields.get(2) == Some(&user));
        let field = |number: usize| line.as_ref().and_then(|fields| fields.get(number)?.parse().ok());
        let id = field(2).or_else(|| number(user))?;
        let group = match group {
            "" => field(3).unwrap_or_default(),
            group => {
                let line = self.group.lines().find(|fields| fields.first() == Some(&group));
                line.and_then(|fields| fields.get(2)?.parse().ok()).or_else(|| number(group))?
            }
        };
        Some(Account { user: id, group })
    }
}

impl Found {
    fn lines(&self) -> impl Iterator<Item = Vec<&str>> {
        let text = if let Self::Text(text) = self { text.as_str() } else { "" };
        text.lines().map(|line| line.trim().split(':').collect())
    }
}

fn number(word: &str) -> Option<u32> {
    if word == "root" { Some(0) } else { word.parse().ok() }
}

fn text(entry: &mut tar::Entry<'_, impl Read>) -> Found {
    let mut bytes = Vec::new();
    let whole = entry.header().entry_type().is_file() && entry.size() <= LARGEST_FILE;
    if whole && entry.read_to_end(&mut bytes).is_ok() {
        return Found::Text(String::from_utf8_lossy(&bytes).into_owned());
    }
    Found::Gone
}

/// What comes from elsewhere, to be read where waiting is allowed.
struct Incoming {
    receiver: mpsc::Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(piece) = self.receiver.blocking_recv() else { return Ok(0) };
            self.piece = io::Cursor::new(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nnode:x:7:7::/:/\n";
    const GROUP: &str = "root:x:0:\nwww:x:33:node\n";

    fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let _ = archive.append_data(&mut header, name, content.as_bytes());
        }
        archive.into_inner().unwrap_or_default()
    }

    /// What the layers say, the last one first.
    fn files(layers: &[&[(&str, &str)]]) -> Files {
        layers.iter().fold(Files::default(), |files, one| files.layer(io::Cursor::new(layer(one))).unwrap_or_default())
    }

    #[test]
    fn names_are_numbers_as_runtimes_read_them() {
        let files = files(&[&[("etc/passwd", PASSWD), ("etc/group", GROUP)]]);
        for (user, expected) in [
            ("node", Some("1000:1001")),
            ("node:", Some("1000:1001")),
            ("node:www", Some("1000:33")),
            ("node:44", Some("1000:44")),
            ("1000:www", Some("1000:33")),
            ("5:www", Some("5:33")),
            ("nobody", None),
            ("node:nobody", None),
        ] {
            let found = files.account(user).map(|account| account.to_string());
            assert_eq!(found.as_deref(), expected, "{user}");
            assert!(is_named(user) || user == "node:44", "{user}");
        }
        assert!(!["0", "1000:1000", "root", "root:0", "10:"].into_iter().any(is_named));
    }

    #[test]
    fn the_last_layer_counts_and_what_was_removed_is_gone() {
        let below: &[(&str, &str)] = &[("./etc/passwd", "node:x:1:1::/:/\n"), ("etc/group", GROUP)];
        let above = |files: &[(&str, &str)]| self::files(&[files, below]);
        let id = |files: Files| files.account("node").map(|account| account.user);
        assert_eq!(id(above(&[("etc/passwd", PASSWD)])), Some(1000));
        assert_eq!(id(above(&[("usr/etc/passwd", PASSWD)])), Some(1));
        for removed in ["etc/.wh.passwd", "etc/.wh..wh..opq", ".wh.etc", ".wh..wh..opq", "etc"] {
            assert_eq!(id(above(&[(removed, "")])), None, "{removed}");
        }
        assert_eq!(id(above(&[("etc/.wh..wh..opq", ""), ("etc/passwd", PASSWD)])), Some(1000));
        assert_eq!(above(&[("etc/.wh.passwd", "")]).group, Found::Text(GROUP.to_owned()));
    }
}
