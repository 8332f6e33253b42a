//! Documents that no other part of the report has a view for.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::Paint;
use crate::{
    diagnostic::FindingView,
    value::{Masked, Name},
};

/// The version of every JSON document. Entries may be added under a version; none is removed or changed.
pub const VERSION: u32 = 1;

/// Why a command ended.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship: a command that failed")]
pub struct ErrorDocument {
    version: u32,
    /// The exit code.
    pub exit_code: u8,
    /// What could not be done; absent where the findings say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What is wrong, with places.
    pub findings: Vec<FindingView>,
}

impl ErrorDocument {
    /// A document of this version.
    pub const fn new(exit_code: u8, error: Option<String>, help: Option<String>, findings: Vec<FindingView>) -> Self {
        Self { version: VERSION, exit_code, error, help, findings }
    }
}

/// The environments there are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship environments")]
pub struct EnvironmentsDocument {
    version: u32,
    /// The settings file; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// In order: those declared first.
    pub environments: Vec<EnvironmentView>,
}

/// One environment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentView {
    /// Its name.
    pub name: Name,
    /// Whether the settings file declares it; otherwise its overlay alone makes it.
    pub declared: bool,
    /// Files that come after those of the application.
    pub overlays: Vec<String>,
    /// `kubernetes`, `directory`; absent when nothing says where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<&'static str>,
    /// Which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Masked>,
    /// Whether writing there takes its name as consent.
    pub protected: bool,
}

impl EnvironmentsDocument {
    /// A document of this version.
    pub const fn new(settings: Option<String>, environments: Vec<EnvironmentView>) -> Self {
        Self { version: VERSION, settings, environments }
    }

    /// As a table.
    pub fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .environments
            .iter()
            .map(|environment| {
                let place = environment.place.as_ref().map(ToString::to_string).unwrap_or_default();
                let goes = match environment.destination {
                    Some("directory") => place,
                    Some(destination) => format!("{destination}, {place}"),
                    None => "nowhere yet".to_owned(),
                };
                let guarded = if environment.protected { " (protected)" } else { "" };
                [environment.name.to_string(), format!("{goes}{guarded}"), environment.overlays.join(" ")]
            })
            .collect();
        table(["ENVIRONMENT", "GOES TO", "OVERLAYS"], &rows)
    }
}

/// What `transship lock` did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship lock")]
pub struct LockDocument {
    version: u32,
    /// The file.
    pub file: String,
    /// Whether it was written.
    pub written: bool,
    /// What is different in it.
    pub changes: Vec<LockEntryView>,
    /// How many images it holds.
    pub images: usize,
    /// How many remote parts of Compose files it holds.
    pub parts: usize,
    /// What the names stand for by now where that is not what is locked; only with `--upstream`.
    pub upstream: Vec<UpstreamView>,
}

/// An image that is no longer upstream what it is in the lock.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UpstreamView {
    /// The normalised reference.
    pub reference: String,
    /// What is locked.
    pub locked: String,
    /// What the name stands for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// Whether what is locked is still there.
    pub kept: bool,
}

/// One entry of the lock that is different.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LockEntryView {
    /// The normalised reference.
    pub reference: String,
    /// `added`, `moved`, `completed`, `removed`.
    pub change: &'static str,
    /// What it stood for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl LockDocument {
    /// A document of this version.
    pub const fn new(file: String, written: bool, changes: Vec<LockEntryView>, images: usize, parts: usize) -> Self {
        Self { version: VERSION, file, written, changes, images, parts, upstream: Vec::new() }
    }

    /// With what was found upstream.
    #[must_use]
    pub fn upstream(mut self, upstream: Vec<UpstreamView>) -> Self {
        self.upstream = upstream;
        self
    }

    /// For people.
    pub fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        for change in &self.changes {
            let line = match (&change.from, &change.to) {
                (None, Some(to)) if change.change == "added" => {
                    format!("{} {} {}", paint.green("+"), change.reference, paint.dim(to))
                }
                (Some(from), Some(to)) => {
                    format!("{} {} {}", paint.yellow("~"), change.reference, paint.dim(&format!("{from} → {to}")))
                }
                (Some(from), None) => format!("{} {} {}", paint.red("-"), change.reference, paint.dim(from)),
                _ => format!("{} {} {}", paint.dim("="), change.reference, paint.dim("more is known of it")),
            };
            out.push_str(&line);
            out.push('\n');
        }
        for moved in &self.upstream {
            let what = match &moved.now {
                Some(now) => format!("upstream is {now} now"),
                None => "upstream".to_owned(),
            };
            let kept = if moved.kept { "" } else { ", and what is locked is no longer there" };
            let _ = writeln!(out, "{} {} {}", paint.yellow("^"), moved.reference, paint.dim(&format!("{what}{kept}")));
        }
        let images = if self.images == 1 { "1 image".to_owned() } else { format!("{} images", self.images) };
        let parts = match self.parts {
            0 => String::new(),
            1 => ", 1 remote part".to_owned(),
            many => format!(", {many} remote parts"),
        };
        let what = if self.written { "written" } else { "unchanged" };
        let what = if self.changes.is_empty() || self.written { what } else { "not written" };
        let _ = writeln!(out, "{}: {images}{parts}, {what}", self.file);
        out
    }
}

/// Columns as wide as what stands in them.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.to_vec()).collect();
    table_of(&head.map(str::to_owned), &rows)
}

/// The same, with as many columns as the head has.
pub(super) fn table_of(head: &[String], rows: &[Vec<String>]) -> String {
    let all: Vec<&[String]> = std::iter::once(head).chain(rows.iter().map(Vec::as_slice)).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in all {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}
