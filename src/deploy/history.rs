//! What the ledger tells of the revisions before.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    plan::Record,
    platform::{EntryName, Failure, History, Ledger, RevisionHead, RevisionState},
    value::{Application, Origins},
};

/// How a revision was closed.
#[derive(Serialize, Deserialize)]
pub(super) struct Closed {
    pub(super) state: RevisionState,
    pub(super) at: u64,
}

pub(super) fn entry(number: u64, part: &str) -> EntryName {
    EntryName(format!("revision/{number}/{part}").into())
}

/// All revisions, and what the last one that was carried out wanted.
pub async fn history(ledger: &dyn Ledger, application: &Application, origins: &Origins) -> Result<History, Failure> {
    let names = ledger.list(application).await?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| name.0.strip_prefix("revision/")?.strip_suffix("/opened")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut heads = Vec::with_capacity(numbers.len());
    for number in numbers {
        let Some(body) = ledger.read(application, &entry(number, "opened")).await? else { continue };
        let Ok(mut head) = serde_json::from_slice::<RevisionHead>(&body) else { continue };
        let closed = entry(number, "closed");
        if names.contains(&closed)
            && let Some(body) = ledger.read(application, &closed).await?
            && let Ok(closed) = serde_json::from_slice::<Closed>(&body)
        {
            head.state = closed.state;
        }
        heads.push(head);
    }
    let mut current = None;
    for head in heads.iter().rev() {
        if let Some(body) = ledger.read(application, &entry(head.number, "record")).await?
            && let Ok(json) = serde_json::from_slice::<Json>(&body)
        {
            current = Record::read(&json, origins).map(Arc::new);
            break;
        }
    }
    Ok(History { heads, current })
}
