//! The tags that version control has at the commit that is checked out.
#![allow(clippy::disallowed_methods, reason = "this is what asks git")]

use std::{path::Path, process::Stdio};

use crate::image::{Failure, Reference, codes};

/// Asks git; tags that are none for an image come second.
pub async fn source_tags(directory: &Path) -> Result<(Vec<Box<str>>, Vec<Box<str>>), Failure> {
    let failed = |reason: &str| {
        Failure::new(&codes::PROMOTE, format!("the tags of the commit cannot be had: {reason}"))
            .help("run this in a git work tree with its tags, or name them with `--tag`")
    };
    let output = tokio::process::Command::new("git")
        .args(["tag", "--points-at", "HEAD"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(&format!("git: {}", error.kind())))?;
    if !output.status.success() {
        return Err(failed("git knows no commit here"));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (fit, unfit) = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(Box::<str>::from)
        .partition(|tag| Reference::parse(&format!("x:{tag}")).is_ok());
    Ok((fit, unfit))
}
