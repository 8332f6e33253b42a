//! How far the containers of a service have come.

use super::container::{Container, trouble};
use crate::{
    platform::{Reason, State},
    target::Condition,
    value::{Masked, Secrets},
};

/// How far they have come on their way to `when`; `wanted` of them.
pub(super) fn progress(containers: &[&Container], wanted: u32, when: Condition, secrets: &Secrets) -> State {
    if containers.is_empty() && wanted > 0 {
        return State::Absent;
    }
    if when == Condition::Completed {
        return completed(containers, secrets);
    }
    let ready = containers.iter().filter(|container| is_ready(container, when)).count();
    let ready = u32::try_from(ready).unwrap_or(u32::MAX);
    if let Some(reason) = containers.iter().find_map(|container| trouble(container, secrets)) {
        return State::Failed(reason);
    }
    if ready >= wanted {
        return State::Settled;
    }
    let waits = containers.iter().find(|container| !is_ready(container, when));
    let text = match waits {
        Some(container) if container.health() == Some("starting") => {
            format!("the health check of {} has not passed yet", container.name())
        }
        Some(container) => format!("{} is {}", container.name(), container.status()),
        None => format!("{ready} of {wanted} containers are there"),
    };
    State::Progressing { ready, wanted, text: Masked::words(text) }
}

fn is_ready(container: &Container, when: Condition) -> bool {
    let healthy = when < Condition::Healthy || container.health().is_none_or(|health| health == "healthy");
    container.status() == "running" && healthy
}

fn completed(containers: &[&Container], secrets: &Secrets) -> State {
    let wanted = u32::try_from(containers.len()).unwrap_or(u32::MAX);
    let ended = |container: &&&Container| matches!(container.status(), "exited" | "dead");
    let done = containers.iter().filter(ended).filter(|container| container.exit_code() == 0).count();
    let failed = containers.iter().filter(ended).find(|container| container.exit_code() != 0);
    if let Some(container) = failed {
        let text = format!("{} ended with {}", container.name(), container.exit_code());
        let remedy = "see what it said last; the next apply runs it again";
        return State::Failed(Reason { code: "job-failed", text: secrets.scrub(&text), logs: Vec::new(), remedy });
    }
    let ready = u32::try_from(done).unwrap_or(u32::MAX);
    if ready == wanted {
        return State::Settled;
    }
    let running = containers.iter().find(|container| container.status() != "exited");
    let text = running.map(|container| format!("{} is {}", container.name(), container.status()));
    State::Progressing { ready, wanted, text: Masked::words(text.unwrap_or_default()) }
}
