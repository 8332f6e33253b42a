//! The file of `plan -o`: what was approved, not how to do it. It holds no secret.

use serde::{Deserialize, Serialize};

use super::{Action, Change, Plan, cause_words, effect_words, trace};
use crate::value::{Application, Fingerprint, Keyring, Masked, Origins};

/// A plan as it is kept. Applying it plans again and compares.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// Of this format: 1.
    pub version: u32,
    /// Over everything in it: two plans with the same id approve the same.
    pub id: String,
    /// Version of the tool.
    pub tool: String,
    /// Whose.
    pub application: String,
    /// In which environment; empty without one.
    pub environment: String,
    /// Whether secrets entered the fingerprints under the application's key; before there is one they count
    /// as the word.
    pub keyed: bool,
    /// One per destination and goal.
    pub stages: Vec<SavedStage>,
}

/// What one destination is to become.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedStage {
    /// Its name in the environment.
    pub destination: String,
    /// Which place it is, as people know it.
    pub server: String,
    /// What is unique to it.
    pub identity: String,
    /// The revision it was based on.
    pub base: Option<u64>,
    /// `deploy` or `destroy`.
    pub goal: String,
    /// One per resource.
    pub changes: Vec<SavedChange>,
}

/// What one resource is to become.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedChange {
    /// Who.
    pub resource: String,
    /// What it is called, as people read it.
    pub address: String,
    /// `create`, `update`, …
    pub action: String,
    /// What that does to what runs, in words.
    pub effect: String,
    /// Why.
    pub causes: Vec<String>,
    /// Of what was there.
    #[schemars(with = "String")]
    pub before: Fingerprint,
    /// Of what is wanted.
    #[schemars(with = "String")]
    pub wanted: Fingerprint,
    /// The fields that differed.
    pub differences: Vec<SavedDifference>,
}

/// One field, as it was shown.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedDifference {
    /// Where.
    pub path: String,
    /// What was there.
    pub before: Option<String>,
    /// What is wanted.
    pub after: Option<String>,
    /// Where that was written.
    pub place: Option<String>,
}

/// Why an approved change does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Which.
    pub what: Masked,
    /// Why.
    pub why: &'static str,
}

/// The word for an action, in files and in JSON.
pub const fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Succeed { .. } => "succeed",
        Action::Retire => "retire",
        Action::Replace { .. } => "replace",
        Action::Rerun => "rerun",
        Action::Delete => "delete",
        Action::Settle => "settle",
        Action::Keep { .. } => "keep",
    }
}

fn counts(change: &Change) -> bool {
    !matches!(change.action, Action::Keep { .. } | Action::Settle)
}

impl SavedPlan {
    /// Of a plan.
    pub fn of(plan: &Plan, keyring: &Keyring, origins: &Origins) -> Self {
        let stages: Vec<SavedStage> = plan
            .stages
            .iter()
            .map(|stage| SavedStage {
                destination: stage.destination.to_string(),
                server: stage.identity.server.to_string(),
                identity: stage.identity.unique.to_string(),
                base: stage.base,
                goal: stage.goal.to_owned(),
                changes: stage
                    .changes
                    .iter()
                    .filter(|change| counts(change))
                    .map(|change| saved(change, origins))
                    .collect(),
            })
            .collect();
        let mut saved = Self {
            version: 1,
            id: String::new(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            application: plan.application.project.to_string(),
            environment: plan.application.environment.to_string(),
            keyed: keyring.content.is_some(),
            stages,
        };
        let text = serde_json::to_string(&saved).unwrap_or_default();
        saved.id = Fingerprint::of_bytes(text.as_bytes()).to_string().chars().take(32).collect();
        saved
    }

    /// Reads a plan back; the error says why it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_slice::<Versioned>(bytes) {
            Ok(Versioned { version: 1 }) => {}
            Ok(Versioned { version }) => return Err(format!("it is of version {version}, which is not known here")),
            Err(error) => return Err(error.to_string()),
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Whose plan it is.
    pub fn owner(&self) -> Application {
        Application { project: self.application.as_str().into(), environment: self.environment.as_str().into() }
    }

    /// Compares what was approved with a plan made now. Each approved change is still to do, or done already;
    /// anything else is stale, and so is a change that nobody approved.
    pub fn verify(&self, now: &Plan) -> Result<(), Vec<Stale>> {
        let mut stale = Vec::new();
        for stage in &now.stages {
            let kept =
                self.stages.iter().find(|kept| *kept.destination == *stage.destination.0 && kept.goal == stage.goal);
            let Some(kept) = kept else {
                stale.push(Stale {
                    what: Masked::words(stage.destination.to_string()),
                    why: "the plan does not know this destination",
                });
                continue;
            };
            if *kept.identity != *stage.identity.unique {
                stale.push(Stale {
                    what: Masked::words(stage.destination.to_string()),
                    why: "it is another place than the plan was made for",
                });
                continue;
            }
            for change in stage.changes.iter().filter(|change| counts(change)) {
                let approved = approved(kept, change);
                let why = match approved {
                    None => Some("it was not part of the plan"),
                    Some(approved) if approved.wanted != change.wanted => Some("something else is wanted now"),
                    // What was made under a name only known at apply begins from nothing again.
                    Some(approved) if approved.before != change.before => {
                        Some("it was changed after the plan was made")
                    }
                    Some(_) => None,
                };
                if let Some(why) = why {
                    stale.push(Stale { what: Masked::words(change.address.to_string()), why });
                }
            }
        }
        if stale.is_empty() { Ok(()) } else { Err(stale) }
    }
}

/// What was approved of a change. Several objects can have had one role: each that goes is approved by its name.
fn approved<'p>(kept: &'p SavedStage, change: &Change) -> Option<&'p SavedChange> {
    let (resource, address) = (change.key.to_string(), change.address.to_string());
    let goes = matches!(change.action, Action::Delete | Action::Retire);
    let mut known = kept.changes.iter().filter(|kept| kept.resource == resource && fits(kept, change));
    // What is made may have been shown before its name was known.
    let first = known.clone().next().filter(|_| !goes);
    known.find(|kept| kept.address == address).or(first)
}

fn fits(kept: &SavedChange, change: &Change) -> bool {
    let word = action_word(&change.action);
    kept.action == word
        // A removal that was cut off is a removal still; a successor of one that is gone is a creation.
        || (kept.action == "succeed" && word == "create")
        || (kept.action == "replace" && word == "create")
        || (kept.action == "create" && word == "update" && kept.wanted == change.wanted)
}

fn saved(change: &Change, origins: &Origins) -> SavedChange {
    SavedChange {
        resource: change.key.to_string(),
        address: change.address.to_string(),
        action: action_word(&change.action).to_owned(),
        effect: effect_words(change.consequence),
        causes: change.causes.iter().filter_map(|cause| cause_words(cause, origins)).collect(),
        before: change.before,
        wanted: change.wanted,
        differences: change
            .differences
            .iter()
            .map(|difference| SavedDifference {
                path: difference.path.to_string(),
                before: difference.before.as_ref().map(ToString::to_string),
                after: difference.after.as_ref().map(ToString::to_string),
                place: trace(difference.from, origins),
            })
            .collect(),
    }
}
