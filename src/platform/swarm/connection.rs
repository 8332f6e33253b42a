//! The way to a manager: reads are tried again, and whatever it answers is searched for secrets.

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;
use tokio::time::sleep;

use crate::{
    engine::{Engine, Error},
    platform::{Failure, FailureKind},
    value::{Name, Secrets},
};

/// How often a read is sent before its failure is believed.
const TRIES: u32 = 5;
/// How many names are asked for at once: they stand in the address.
const NAMES: usize = 40;

/// How long is waited for a Swarm.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the first repetition of a read; each further one waits twice as long.
    pub pause: Duration,
    /// Between two looks at what is settling.
    pub look: Duration,
    /// For something to be gone, or not to be used any more, after its removal was asked for.
    pub removal: Duration,
    /// For trouble to pass that often does; longer counts as failure.
    pub grace: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(250),
            look: Duration::from_millis(500),
            removal: Duration::from_secs(90),
            grace: Duration::from_secs(20),
        }
    }
}

/// Reads from a manager.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) engine: Engine,
    /// The stack that everything belongs to.
    pub(super) stack: Name,
    pub(super) secrets: Arc<Secrets>,
    pub(super) patience: Patience,
}

impl Connection {
    /// A document; `None` where there is no such object.
    pub(super) async fn find(&self, path: &str, query: &[(&str, &str)], doing: &str) -> Result<Option<Json>, Failure> {
        let mut pause = self.patience.pause;
        for _ in 1..TRIES {
            match self.engine.find(path, query).await {
                Err(error) if passes(&error) => tracing::info!("{error}; asking again"),
                other => return other.map_err(|error| self.failure(&error, doing)),
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.engine.find(path, query).await.map_err(|error| self.failure(&error, doing))
    }

    /// A document that is always there.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)], doing: &str) -> Result<Json, Failure> {
        Ok(self.find(path, query, doing).await?.unwrap_or_default())
    }

    /// The objects of a collection that bear all of these labels.
    pub(super) async fn labelled(&self, collection: &str, labels: &[String]) -> Result<Vec<Json>, Failure> {
        let filters = serde_json::json!({ "label": labels }).to_string();
        let all = self.get(collection, &[("filters", &filters)], &format!("list {}", &collection[1..])).await?;
        Ok(list(all))
    }

    /// The objects of a collection that have one of these names.
    pub(super) async fn named(&self, collection: &str, names: &[&str]) -> Result<Vec<Json>, Failure> {
        let mut found = Vec::new();
        for names in names.chunks(NAMES) {
            let filters = serde_json::json!({ "name": names }).to_string();
            let all = self.get(collection, &[("filters", &filters)], &format!("list {}", &collection[1..])).await?;
            // The engine finds whatever begins with a name.
            found.extend(list(all).into_iter().filter(|object| names.contains(&name(object))));
        }
        Ok(found)
    }

    /// What an engine answers, as a failure.
    pub(super) fn failure(&self, error: &Error, doing: &str) -> Failure {
        let kind = match error {
            Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Broken { .. } => FailureKind::Unreachable,
            Error::Refused { status: 503, .. } => FailureKind::Unreachable,
            Error::Refused { status: 401 | 403, .. } => FailureKind::Forbidden,
            error if error.is_conflict() || error.is_out_of_date() => FailureKind::Conflict,
            Error::Refused { .. } => FailureKind::Invalid,
            Error::Address { .. } | Error::TooOld { .. } | Error::Failed { .. } => FailureKind::Other,
        };
        Failure::new(kind, self.secrets.scrub(&format!("cannot {doing}: {}", error.whole())))
    }
}

/// Whether the same question may well be answered a moment later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Broken { .. } => true,
        Error::Refused { status, message } => *status == 503 || message.contains("does not have a leader"),
        _ => false,
    }
}

/// The items of an answer.
fn list(answer: Json) -> Vec<Json> {
    match answer {
        Json::Array(items) => items,
        _ => Vec::new(),
    }
}

/// What an object is called: networks say it themselves, everything else in its spec.
pub(super) fn name(object: &Json) -> &str {
    let name = object.pointer("/Spec/Name").or_else(|| object.get("Name"));
    name.and_then(Json::as_str).unwrap_or_default()
}
