//! What runs now.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Paint, StateView, VERSION, document::table, plan::titled};
use crate::{
    deploy::LockState,
    platform::{Observation, Owner, RevisionHead, RevisionState},
    target::Release,
    value::{Application, Called, Masked},
};

/// What `status` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship status")]
pub struct StatusDocument {
    version: u32,
    /// The application.
    pub application: String,
    /// The environment; empty without one.
    pub environment: String,
    /// Whether all that is wanted is there and has settled.
    pub ready: bool,
    /// Each place it goes to.
    pub destinations: Vec<PlaceStatusView>,
}

/// What runs at one place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceStatusView {
    /// Its name in the environment.
    pub destination: String,
    /// Which place it is.
    pub server: Masked,
    /// Version of its server; absent where there is none.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schemars(default)]
    pub server_version: Box<str>,
    /// Revisions, the newest first.
    pub revisions: Vec<RevisionView>,
    /// Who deploys now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockView>,
    /// What is wanted there, and how far it has come.
    pub resources: Vec<StateView>,
    /// What is there and no longer wanted.
    pub superfluous: Vec<String>,
    /// What could not be seen.
    pub unreadable: Vec<Masked>,
}

/// One revision.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// From 1.
    pub number: u64,
    /// How far it came.
    pub state: RevisionState,
    /// Who made it.
    pub by: Masked,
    /// With which version of transship.
    pub tool: Box<str>,
    /// When, in UTC: `2026-03-01T12:00:00Z`.
    pub at: String,
}

/// Who deploys now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockView {
    /// Who.
    pub by: Masked,
    /// Since when, in UTC.
    pub since: String,
    /// Until when, unless it is renewed.
    pub until: String,
}

impl StatusDocument {
    /// Of one place; `now` tells whether a lock still counts, in seconds since 1970.
    pub fn new(
        application: &Application,
        destination: &str,
        release: &Release,
        seen: &Observation,
        lock: &LockState,
        now: u64,
    ) -> Self {
        let resources: Vec<StateView> = release
            .resources
            .values()
            .map(|resource| {
                let live = match &resource.address.name {
                    Called::Now(_) => seen.live.get(&resource.address),
                    // The name carries a secret that is not known here: whoever bears the mark is meant.
                    Called::AtApply { .. } => seen.live.values().find(|live| live.key.as_ref() == Some(&resource.key)),
                };
                let state = live.map_or(&crate::platform::State::Absent, |live| &live.state);
                StateView::new(&resource.key, state)
            })
            .collect();
        let superfluous = seen.live.values().filter(|live| {
            live.owner == Owner::Us && live.key.as_ref().is_some_and(|key| !release.resources.contains_key(key))
        });
        let held = lock.lease.as_ref().filter(|lease| lease.held && lease.until > now);
        let place = PlaceStatusView {
            destination: destination.to_owned(),
            server: seen.identity.server.clone(),
            server_version: seen.identity.version.clone(),
            revisions: seen.history.heads.iter().rev().map(revision).collect(),
            lock: held.map(|lease| LockView {
                by: Masked::words(lease.by.clone()),
                since: timestamp(lease.at),
                until: timestamp(lease.until),
            }),
            superfluous: superfluous.map(|live| live.address.to_string()).collect(),
            unreadable: seen.unreadable.clone(),
            resources,
        };
        Self {
            version: VERSION,
            application: application.project.to_string(),
            environment: application.environment.to_string(),
            ready: place.resources.iter().all(StateView::is_settled),
            destinations: vec![place],
        }
    }

    /// For people. `all` also shows what has settled besides what runs services.
    pub fn text(&self, paint: Paint, all: bool) -> String {
        let mut out = String::new();
        for place in &self.destinations {
            let name = titled(&self.application, &self.environment);
            let _ = writeln!(out, "{} in {}", paint.bold(&name), place.server);
            match place.revisions.first() {
                Some(last) => {
                    let state = revision_word(last.state);
                    let _ = writeln!(out, "revision {}, {state}, by {} at {}", last.number, last.by, last.at);
                }
                None => out.push_str("nothing was ever applied here\n"),
            }
            if let Some(lock) = &place.lock {
                let _ = writeln!(out, "{} has been deploying since {}", lock.by, lock.since);
            }
            out.push('\n');
            let shown = |view: &&StateView| all || !view.is_settled() || view.resource.ends_with("/workload");
            let rows: Vec<[String; 3]> = place
                .resources
                .iter()
                .filter(shown)
                .map(|view| [view.resource.clone(), view.state.to_owned(), view.words()])
                .collect();
            out.push_str(&table(["RESOURCE", "STATE", ""], &rows));
            for superfluous in &place.superfluous {
                let _ = writeln!(out, "{superfluous}: no longer wanted, or kept");
            }
            for unreadable in &place.unreadable {
                let _ = writeln!(out, "{}", paint.yellow(&format!("not seen: {unreadable}")));
            }
        }
        out
    }
}

fn revision(head: &RevisionHead) -> RevisionView {
    RevisionView {
        number: head.number,
        state: head.state,
        by: Masked::words(head.by.to_string()),
        tool: head.tool.clone(),
        at: timestamp(head.at),
    }
}

const fn revision_word(state: RevisionState) -> &'static str {
    match state {
        RevisionState::Opened => "going on or killed",
        RevisionState::Applied => "applied",
        RevisionState::NotReady => "applied, but not ready in time",
        RevisionState::Failed => "stopped part-way",
        RevisionState::Interrupted => "interrupted",
    }
}

/// Seconds since 1970 as `2026-03-01T12:00:00Z`. The days are counted in years that begin in March.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_772_366_399, "2026-03-01T11:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
