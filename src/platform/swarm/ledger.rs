//! The ledger: a config per entry. Creating one that exists fails, whoever else tries at the same moment.

use base64::Engine as _;
use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{
    Swarm,
    connection::Connection,
    live::{label, text},
};
use crate::{
    engine::{EngineWriter, Error},
    platform::{
        EntryName, Failure, Ledger, LedgerWriter, Pending, Verified,
        entry::{decoded, nonce},
    },
    target::naming::{base32, slug},
    value::Application,
};

/// The largest piece of an entry: what the managers of older engines keep in one config.
const PIECE: usize = 400 * 1024;
/// The longest name of a config.
const LONGEST: usize = 64;

/// Label: the ledger a config belongs to. Frozen, as the others.
const LEDGER: &str = "dev.transship.ledger";
/// Label: the entry's name.
const ENTRY: &str = "dev.transship.entry";
/// Label of a piece: the ledger whose entry it is a part of.
const PIECE_OF: &str = "dev.transship.piece-of";
/// Label: names of the pieces, in order.
const PIECES: &str = "dev.transship.pieces";
/// Label: tells one try to create an entry from another's.
const NONCE: &str = "dev.transship.nonce";

/// Reads a ledger.
#[derive(Clone)]
pub(super) struct SwarmLedger {
    reader: Connection,
}

impl SwarmLedger {
    pub(super) const fn new(reader: Connection) -> Self {
        Self { reader }
    }

    fn config_name(&self, application: &Application, entry: &EntryName) -> String {
        config_name(&owner(&self.reader.stack, application), entry)
    }

    async fn config(&self, name: &str) -> Result<Option<Json>, Failure> {
        self.reader.find(&format!("/configs/{name}"), &[], &format!("read the ledger (config {name})")).await
    }

    /// The config of an entry; another thing of that name is none.
    async fn entry(&self, application: &Application, entry: &EntryName) -> Result<Option<Json>, Failure> {
        let found = self.config(&self.config_name(application, entry)).await?;
        Ok(found.filter(|config| label(config, ENTRY) == Some(&*entry.0)))
    }
}

impl Ledger for SwarmLedger {
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            let configs = self
                .reader
                .labelled("/configs", &[format!("{LEDGER}={}", owner(&self.reader.stack, application))])
                .await?;
            let mut names: Vec<EntryName> =
                configs.iter().filter_map(|config| Some(EntryName(label(config, ENTRY)?.into()))).collect();
            names.sort();
            Ok(names)
        })
    }

    fn read<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            let Some(config) = self.entry(application, name).await? else { return Ok(None) };
            let Some(pieces) = label(&config, PIECES) else { return body(&config, name).map(Some) };
            let mut whole = Vec::new();
            for piece in pieces.split(',') {
                // Gone in the middle: somebody removes the entry.
                let Some(config) = self.config(piece).await? else { return Ok(None) };
                whole.extend(body(&config, name)?);
            }
            Ok(Some(whole))
        })
    }
}

/// Writes a ledger.
pub(super) struct SwarmLedgerWriter {
    ledger: SwarmLedger,
    place: Verified,
    writer: OnceCell<EngineWriter>,
}

impl SwarmLedgerWriter {
    pub(super) fn new(ledger: SwarmLedger, place: Verified) -> Self {
        Self { ledger, place, writer: OnceCell::new() }
    }

    async fn writer(&self) -> Result<&EngineWriter, Failure> {
        let open = || async {
            let reader = Swarm::checked(self.ledger.reader.clone(), self.place.identity().clone()).await?;
            Ok(reader.engine.writer())
        };
        self.writer.get_or_try_init(open).await
    }

    /// Makes a config; `false` when one of that name exists.
    async fn make(&self, spec: &Json, nonce: &str) -> Result<bool, Failure> {
        let doing = "write the ledger";
        match self.writer().await?.post("/configs/create", &[], HeaderMap::new(), Some(spec)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            // Nobody knows whether it was made: it bears our nonce if it was.
            Err(error @ (Error::Broken { .. } | Error::TimedOut { .. })) => {
                match self.ledger.config(text(spec, "/Name")).await? {
                    Some(config) => Ok(label(&config, NONCE) == Some(nonce)),
                    None => Err(self.ledger.reader.failure(&error, doing)),
                }
            }
            Err(error) => Err(self.ledger.reader.failure(&error, doing)),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        match self.writer().await?.delete(&format!("/configs/{name}"), &[]).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(self.ledger.reader.failure(&error, &format!("remove a ledger entry (config {name})"))),
        }
    }
}

impl LedgerWriter for SwarmLedgerWriter {
    fn reader(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let nonce = nonce();
            let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
            let owner = owner(&self.ledger.reader.stack, application);
            let mut head = json!({
                "Name": config_name(&owner, name),
                "Labels": {LEDGER: owner, ENTRY: *name.0, NONCE: nonce},
            });
            let mut pieces = Vec::new();
            if body.len() > PIECE {
                // The pieces first, under names of this try alone: the entry is there once its head is.
                for (number, piece) in body.chunks(PIECE).enumerate() {
                    let piece_name = format!("transship.piece.{nonce}.{number}");
                    let spec = json!({
                        "Name": piece_name,
                        "Labels": {PIECE_OF: owner, NONCE: nonce},
                        "Data": encode(piece),
                    });
                    self.make(&spec, &nonce).await?;
                    pieces.push(piece_name);
                }
                head["Labels"][PIECES] = Json::from(pieces.join(","));
                head["Data"] = Json::from(encode(b"in pieces"));
            } else {
                head["Data"] = Json::from(encode(body));
            }
            let made = self.make(&head, &nonce).await?;
            if !made {
                for piece in &pieces {
                    self.delete(piece).await?;
                }
            }
            Ok(made)
        })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(config) = self.ledger.entry(application, name).await? else { return Ok(()) };
            self.delete(text(&config, "/ID")).await?;
            for piece in label(&config, PIECES).into_iter().flat_map(|pieces| pieces.split(',')) {
                self.delete(piece).await?;
            }
            Ok(())
        })
    }
}

/// Whose entries they are: those of an application in one stack. Frozen.
fn owner(stack: &str, application: &Application) -> String {
    format!("{stack} {application}")
}

/// What the config of an entry is called: one of its own for each owner, and told apart by people. Frozen.
fn config_name(owner: &str, entry: &EntryName) -> String {
    let stem = format!("{}-{}", slug(owner, 20), base32(&Sha256::digest(owner.as_bytes()), 8));
    let words = entry.0.replace('/', "-");
    let name = format!("transship.{stem}.{words}");
    if name.len() <= LONGEST {
        return name;
    }
    format!("transship.{stem}.{}", base32(&Sha256::digest(words.as_bytes()), 20))
}

fn body(config: &Json, name: &EntryName) -> Result<Vec<u8>, Failure> {
    decoded(text(config, "/Spec/Data"), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_frozen_and_fit() {
        let application = Application { project: "shop".into(), environment: "production".into() };
        let name = |entry: &str| config_name(&owner("shop", &application), &EntryName(entry.into()));
        assert_eq!(name("revision/12/opened"), "transship.shop-shop-production-ev7qzhio.revision-12-opened");
        let long = Application { project: "a".repeat(90).into(), environment: "b".repeat(90).into() };
        for entry in ["key", "lock/4100000", "revision/1234567/record"] {
            assert!(config_name(&owner("shop", &long), &EntryName(entry.into())).len() <= LONGEST);
        }
    }
}
