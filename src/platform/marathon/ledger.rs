//! The ledger: an app of no instances per entry, in a group of its own. Creating one that exists fails, whoever else tries
//! at the same moment.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use super::connection::{Connection, Request, app_path};
use crate::{
    platform::{
        EntryName, Failure, Ledger, LedgerWriter, Pending,
        entry::{decoded, nonce},
    },
    target::naming::slug,
    value::Application,
};

/// The largest piece of an entry: a node of `ZooKeeper` holds a megabyte in all, and base64 makes four of three.
const PIECE: usize = 500 * 1024;

/// Label: the ledger an app belongs to.
const LEDGER: &str = "TRANSSHIP_LEDGER";
/// Label: the entry's name.
const ENTRY: &str = "TRANSSHIP_ENTRY";
/// Label: tells one try to create an entry from another's.
const NONCE: &str = "TRANSSHIP_NONCE";
/// Label: ids of the pieces, in order.
const PIECES: &str = "TRANSSHIP_PIECES";
/// The variable that holds the body.
const BODY: &str = "TRANSSHIP_BODY";

/// Reads a ledger.
#[derive(Clone)]
pub(super) struct MarathonLedger {
    reader: Connection,
}

impl MarathonLedger {
    pub(super) fn new(reader: Connection) -> Self {
        Self { reader }
    }

    async fn app(&self, id: &str) -> Result<Option<Json>, Failure> {
        let told = self.reader.get(&Request::get(app_path(id)), &format!("read the ledger (app {id})")).await?;
        Ok(told.and_then(|mut told| told.get_mut("app").map(Json::take)))
    }

    /// The app of an entry; another thing of that id is none.
    async fn entry(&self, application: &Application, name: &EntryName) -> Result<Option<Json>, Failure> {
        let found = self.app(&entry_id(application, name)).await?;
        Ok(found
            .filter(|app| label(app, ENTRY) == Some(&*name.0) && label(app, LEDGER) == Some(&application.to_string())))
    }
}

impl Ledger for MarathonLedger {
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            let request = Request::get("/v2/apps").query("label", format!("{LEDGER}=={application}"));
            let told = self.reader.get(&request, "read the ledger").await?;
            let apps = told.as_ref().and_then(|told| told.get("apps")).and_then(Json::as_array);
            let names = apps.into_iter().flatten().filter_map(|app| Some(EntryName(label(app, ENTRY)?.into())));
            let mut names: Vec<EntryName> = names.collect();
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
            let Some(app) = self.entry(application, name).await? else { return Ok(None) };
            let Some(pieces) = label(&app, PIECES) else { return body(&app, name).map(Some) };
            let mut whole = Vec::new();
            for piece in pieces.split(',') {
                // Gone in the middle: somebody removes the entry.
                let Some(app) = self.app(piece).await? else { return Ok(None) };
                whole.extend(body(&app, name)?);
            }
            Ok(Some(whole))
        })
    }
}

/// Writes a ledger.
pub(super) struct MarathonLedgerWriter {
    writer: Connection,
    ledger: MarathonLedger,
}

impl MarathonLedgerWriter {
    pub(super) fn new(writer: Connection, ledger: MarathonLedger) -> Self {
        Self { writer, ledger }
    }

    /// Creates an app; `false` when one of its id exists.
    async fn post(&self, app: &Json) -> Result<bool, Failure> {
        let id = app.get("id").and_then(Json::as_str).unwrap_or_default();
        let until = Instant::now() + self.writer.patience.removal;
        loop {
            let status = match self.writer.send(&Request::new(Method::POST, "/v2/apps").json(app)).await?.accepted() {
                Ok(_) => return Ok(true),
                Err(status) if status.code != 409 => return Err(self.writer.refused(&status, "write the ledger")),
                Err(status) => status,
            };
            // An app that is gone keeps its id locked until its removal is carried out.
            if !status.is_locked() || self.ledger.app(id).await?.is_some() {
                return Ok(false);
            }
            if Instant::now() >= until {
                return Err(self.writer.refused(&status, "write the ledger"));
            }
            sleep(self.writer.patience.look).await;
        }
    }

    async fn delete(&self, id: &str) -> Result<(), Failure> {
        // Nothing runs: whatever goes on with it is our own making of it.
        let request = Request::new(Method::DELETE, app_path(id)).query("force", "true");
        match self.writer.send(&request).await?.accepted() {
            Ok(_) => Ok(()),
            Err(status) if status.code == 404 => Ok(()),
            Err(status) => Err(self.writer.refused(&status, &format!("remove a ledger entry (app {id})"))),
        }
    }
}

impl LedgerWriter for MarathonLedgerWriter {
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
            let head = entry_id(application, name);
            let nonce = nonce();
            let mut app = entry(&head, application);
            app["labels"][ENTRY] = Json::from(&*name.0);
            app["labels"][NONCE] = Json::from(nonce.as_str());
            let mut made = Vec::new();
            if body.len() > PIECE {
                // The pieces first, under names of this try alone: the entry is there once its head is.
                for (number, piece) in body.chunks(PIECE).enumerate() {
                    let id = format!("{head}.{nonce}-{number}");
                    let mut part = entry(&id, application);
                    set_body(&mut part, piece);
                    self.post(&part).await?;
                    made.push(id);
                }
                app["labels"][PIECES] = Json::from(made.join(","));
            } else {
                set_body(&mut app, body);
            }
            if self.post(&app).await? {
                return Ok(true);
            }
            // Taken; unless it was this very try, whose answer was lost.
            let there = self.ledger.entry(application, name).await?;
            if there.is_some_and(|there| label(&there, NONCE) == Some(&nonce)) {
                return Ok(true);
            }
            for piece in made {
                self.delete(&piece).await?;
            }
            Ok(false)
        })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(app) = self.ledger.entry(application, name).await? else { return Ok(()) };
            self.delete(&entry_id(application, name)).await?;
            for piece in label(&app, PIECES).into_iter().flat_map(|pieces| pieces.split(',')) {
                self.delete(piece).await?;
            }
            Ok(())
        })
    }
}

/// `/transship/shop.production/revision-12-opened`. Frozen.
fn entry_id(application: &Application, entry: &EntryName) -> String {
    let mut group = slug(&application.project, 63);
    if !application.environment.is_empty() {
        group = format!("{group}.{}", slug(&application.environment, 63));
    }
    format!("/transship/{group}/{}", slug(&entry.0, 63))
}

fn entry(id: &str, application: &Application) -> Json {
    json!({
        "id": id,
        // Never run.
        "cmd": "exit 0",
        "instances": 0,
        "cpus": 0.01,
        "mem": 1,
        "labels": {LEDGER: application.to_string()},
    })
}

fn set_body(app: &mut Json, body: &[u8]) {
    app["env"] = json!({BODY: base64::engine::general_purpose::STANDARD.encode(body)});
}

fn label<'a>(app: &'a Json, name: &str) -> Option<&'a str> {
    app.get("labels")?.get(name)?.as_str()
}

fn body(app: &Json, name: &EntryName) -> Result<Vec<u8>, Failure> {
    let encoded = app.get("env").and_then(|env| env.get(BODY)).and_then(Json::as_str).unwrap_or_default();
    decoded(encoded, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_frozen() {
        let application = Application { project: "shop".into(), environment: "production".into() };
        let id = |entry: &str| entry_id(&application, &EntryName(entry.into()));
        assert_eq!(id("revision/12/opened"), "/transship/shop.production/revision-12-opened");
        assert_eq!(id("lock/41"), "/transship/shop.production/lock-41");
        assert_eq!(id("key"), "/transship/shop.production/key");
        let alone = Application { project: "shop".into(), environment: "".into() };
        assert_eq!(entry_id(&alone, &EntryName("key".into())), "/transship/shop/key");
    }
}
