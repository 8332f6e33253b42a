//! What a plan says, in words: shown now, and kept with a plan that is approved later.

use super::{Cause, Consequence, trace};
use crate::value::{Origins, Sources};

/// What a change does to what runs, in words.
pub fn effect_words(consequence: Consequence) -> String {
    match consequence {
        Consequence::Nothing => "nothing restarts".to_owned(),
        Consequence::Scale { from, to } => format!("scales from {from} to {to}"),
        Consequence::Restart { rolling: true, instances } if instances > 1 => {
            format!("restarts {instances} instances, one after the other")
        }
        Consequence::Restart { instances, .. } if instances > 1 => format!("restarts {instances} instances at once"),
        Consequence::Restart { .. } => "restarts".to_owned(),
        Consequence::Start => "starts".to_owned(),
        Consequence::Run => "runs to its end".to_owned(),
        Consequence::Replace { downtime: true } => "is removed and made anew; nothing runs in between".to_owned(),
        Consequence::Replace { downtime: false } => "is removed and made anew".to_owned(),
        Consequence::Stop => "stops".to_owned(),
        Consequence::LosesData => "loses data".to_owned(),
        Consequence::Unknown => "what restarts is not known".to_owned(),
    }
}

/// Why a change is made, in words; `None` when nobody wrote it.
pub fn cause_words(cause: &Cause, origins: &Origins) -> Option<String> {
    Some(match cause {
        Cause::Written(spot) => trace(Sources::from(*spot), origins)?,
        Cause::Removed(spot) => format!("removed; it was at {}", origins.describe(*spot)?),
        Cause::Image { from, to } => format!("the lock moved from {from} to {to}"),
        Cause::Drift { path, by: Some(by) } => format!("{by} changed {path} there"),
        Cause::Drift { path, by: None } => format!("somebody changed {path} there"),
        Cause::Translation { from, to } => format!("transship {from} translated it otherwise than {to} does"),
        Cause::Follows(key) => format!("follows {key}"),
        Cause::Unsettled => "it has not settled".to_owned(),
        Cause::Asked { what } => format!("asked for: {what}"),
    })
}
