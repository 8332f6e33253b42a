//! What will not carry, and where to.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Paint, VERSION, document::table_of};
use crate::{
    diagnostic::{FindingView, Severity},
    target::Dialect,
    value::Name,
};

/// What `transship check` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship check")]
pub struct CheckDocument {
    version: u32,
    /// The environment; empty without one.
    pub environment: Name,
    /// What each target makes of the application.
    pub targets: Vec<TargetView>,
    /// What is found whatever the target.
    pub findings: Vec<FindingView>,
}

/// What one target makes of the application.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// The target.
    pub target: Dialect,
    /// Findings that keep it from going there.
    pub errors: usize,
    /// What would be lost or be otherwise there.
    pub warnings: usize,
    /// All of it, with places.
    pub findings: Vec<FindingView>,
}

impl TargetView {
    /// Of a translation.
    pub fn new(target: Dialect, findings: Vec<FindingView>) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { target, errors: count(Severity::Error), warnings: count(Severity::Warning), findings }
    }

    fn at(&self, row: &Row) -> Option<Severity> {
        self.findings.iter().filter(|finding| Row::of(finding) == *row).map(|finding| finding.severity).max()
    }
}

/// One attribute at one place; in the order of files and lines.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    file: Option<String>,
    line: Option<(u32, Option<u32>)>,
    path: String,
    place: String,
}

impl Row {
    fn of(finding: &FindingView) -> Self {
        let first = finding.places.first();
        Self {
            file: first.and_then(|place| place.file.clone()),
            line: first.and_then(|place| Some((place.line?, place.column))),
            path: finding.path.as_deref().unwrap_or(finding.code).to_owned(),
            place: first.map(|place| place.place.clone()).unwrap_or_default(),
        }
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

impl CheckDocument {
    /// A document of this version.
    pub const fn new(environment: Name, targets: Vec<TargetView>, findings: Vec<FindingView>) -> Self {
        Self { version: VERSION, environment, targets, findings }
    }

    /// Whether a target refuses something.
    pub fn is_refused(&self) -> bool {
        self.targets.iter().any(|target| target.errors > 0)
    }

    /// First which attribute makes trouble on which target; then what, target by target. Notes only when `all`.
    pub fn text(&self, paint: Paint, all: bool) -> String {
        let shown = |finding: &&FindingView| all || finding.severity != Severity::Info;
        let mut rows: Vec<Row> = Vec::new();
        for finding in self.targets.iter().flat_map(|target| target.findings.iter().filter(shown)) {
            let row = Row::of(finding);
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows.sort();
        let mut out = String::new();
        if !rows.is_empty() {
            let mut head = vec!["ATTRIBUTE".to_owned(), "PLACE".to_owned()];
            head.extend(self.targets.iter().map(|target| target.target.name().to_uppercase()));
            let lines = rows.iter().map(|row| {
                let cells =
                    self.targets.iter().map(|target| target.at(row).filter(|one| all || *one != Severity::Info));
                let cells = cells.map(|severity| severity.map_or("-", word).to_owned());
                [row.path.clone(), row.place.clone()].into_iter().chain(cells).collect()
            });
            out.push_str(&table_of(&head, &lines.collect::<Vec<Vec<String>>>()));
            out.push('\n');
        }
        for target in &self.targets {
            let title = format!("{}: {}", target.target.name(), counts(target.errors, target.warnings));
            let _ = writeln!(out, "{}", paint.bold(&title));
            for finding in target.findings.iter().filter(shown) {
                let row = Row::of(finding);
                let severity = match finding.severity {
                    Severity::Error => paint.red(word(finding.severity)),
                    Severity::Warning => paint.yellow(word(finding.severity)),
                    Severity::Info => paint.dim(word(finding.severity)),
                };
                let at = [&*row.place, &*row.path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
                let _ = writeln!(out, "  {severity} {}: {}", at.join(" "), finding.message);
                if let Some(help) = &finding.help {
                    let _ = writeln!(out, "      {}", paint.dim(help.as_str()));
                }
            }
        }
        out
    }
}

fn counts(errors: usize, warnings: usize) -> String {
    let some = |count: usize, word: &str| {
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {word}{plural}"))
    };
    let parts: Vec<String> = [some(errors, "error"), some(warnings, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "everything carries".to_owned() } else { parts.join(", ") }
}
