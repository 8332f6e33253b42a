//! Credential helpers: programs that keep credentials for Docker.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is what starts them")]

use std::{process::Stdio, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use super::{CredentialHelpers, HelperFailure};

/// What helpers print when they keep nothing for a server.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The most that a helper may print, bytes.
const LARGEST: u64 = 256 * 1024;

/// Runs helpers from the search path.
#[derive(Clone, Copy, Debug)]
pub struct HelperProcesses {
    /// How long one may take; then it is ended, with all that it has started.
    pub within: Duration,
}

impl Default for HelperProcesses {
    fn default() -> Self {
        Self { within: Duration::from_secs(20) }
    }
}

impl CredentialHelpers for HelperProcesses {
    fn get<'a>(&'a self, helper: &'a str, server: &'a str) -> BoxFuture<'a, Result<Vec<u8>, HelperFailure>> {
        Box::pin(async move {
            if helper.contains(['/', '\\']) {
                return Err(HelperFailure::Missing);
            }
            let answer = run(helper, server);
            tokio::time::timeout(self.within, answer).await.unwrap_or(Err(HelperFailure::TimedOut(self.within)))
        })
    }
}

async fn run(helper: &str, server: &str) -> Result<Vec<u8>, HelperFailure> {
    let mut command = Command::new(format!("docker-credential-{helper}"));
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => HelperFailure::Missing,
            _ => HelperFailure::Failed,
        })?;
    // Dropped before the child, while its number is still its own.
    let group = Group::of(&child);
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read has answered already.
        let _ = input.write_all(format!("{server}\n").as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LARGEST).read_to_end(&mut output).await.map_err(|_| HelperFailure::Failed)?;
    }
    let status = child.wait().await.map_err(|_| HelperFailure::Failed)?;
    group.leave();
    if status.success() {
        return Ok(output);
    }
    let not_found = String::from_utf8_lossy(&output).contains(NOT_FOUND);
    Err(if not_found { HelperFailure::NotFound } else { HelperFailure::Failed })
}

/// A helper and what it has started. Ended together when nobody waits for the helper any more: many are scripts, and
/// it is what they call that hangs.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &tokio::process::Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: number.and_then(rustix::process::Pid::from_raw) }
    }

    #[cfg(not(unix))]
    const fn of(_: &tokio::process::Child) -> Self {
        Self {}
    }

    /// The helper has ended by itself; what it leaves running is meant to run.
    fn leave(#[allow(unused_mut, reason = "there are no groups everywhere")] mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}
