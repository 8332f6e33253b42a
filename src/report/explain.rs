//! What a finding means, and what becomes of an attribute.

use std::{collections::BTreeMap, fmt::Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use super::{VERSION, document::table};
use crate::{
    diagnostic::{Code, Severity},
    target::{self, Disposition, DispositionKind},
};

/// The answer of `transship explain`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship explain")]
pub struct ExplainDocument {
    version: u32,
    /// Findings that were asked about.
    pub codes: Vec<CodeView>,
    /// Attributes that were asked about, and what each target makes of them.
    pub attributes: Vec<AttributeView>,
    /// How many attributes each target carries.
    pub coverage: Vec<CoverageView>,
}

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CodeView {
    /// Its stable name.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// Why, and what to do.
    pub explanation: &'static str,
}

/// One attribute on one target.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AttributeView {
    /// Path in the Compose model, `*` for names and items.
    pub path: &'static str,
    /// The target.
    pub target: &'static str,
    /// What becomes of it.
    pub disposition: DispositionKind,
    /// How, or why not, and what to do instead.
    pub note: &'static str,
}

/// How much of the model a target carries.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CoverageView {
    /// The target.
    pub target: &'static str,
    /// All attributes.
    pub total: usize,
    /// By what becomes of them.
    pub counts: BTreeMap<&'static str, usize>,
}

const fn word(kind: DispositionKind) -> &'static str {
    match kind {
        DispositionKind::Mapped => "mapped",
        DispositionKind::Approximated => "approximated",
        DispositionKind::Irrelevant => "irrelevant",
        DispositionKind::Unsupported => "unsupported",
        DispositionKind::Refused => "refused",
        DispositionKind::NotYet => "not-yet",
    }
}

impl ExplainDocument {
    /// About a finding.
    pub fn of_codes<'c>(codes: impl IntoIterator<Item = &'c Code>) -> Self {
        let codes = codes.into_iter().map(|code| CodeView {
            code: code.name,
            severity: code.severity,
            title: code.title,
            explanation: code.explain,
        });
        Self { version: VERSION, codes: codes.collect(), attributes: Vec::new(), coverage: Vec::new() }
    }

    /// About an attribute: `services.web.ports`, `services.*.ports`, `ports`. The rows at the path, above it where
    /// it has none of its own, and below it.
    pub fn of_attribute(asked: &str, tables: &[(&'static str, &'static [Disposition])]) -> Self {
        let mut attributes = Vec::new();
        for (target, rows) in tables {
            let exact: Vec<&Disposition> = rows.iter().filter(|row| matches(row.path, asked)).collect();
            let mut chosen: Vec<&Disposition> = if exact.is_empty() {
                // A row holds for everything below it that has none of its own: the deepest one counts.
                rows.iter().filter(|row| above(row.path, asked)).max_by_key(|row| row.path.len()).into_iter().collect()
            } else {
                exact
            };
            chosen.extend(rows.iter().filter(|row| above(asked, row.path) || below_any(row.path, asked)));
            let mut seen = std::collections::BTreeSet::new();
            chosen.retain(|row| seen.insert(row.path));
            attributes.extend(chosen.into_iter().map(|row| AttributeView {
                path: row.path,
                target,
                disposition: row.kind,
                note: row.note,
            }));
        }
        Self { version: VERSION, codes: Vec::new(), attributes, coverage: Vec::new() }
    }

    /// How many attributes are carried.
    pub fn of_coverage(tables: &[(&'static str, &'static [Disposition])]) -> Self {
        let paths = target::paths();
        let coverage = tables.iter().map(|(name, rows)| {
            let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
            let rows = target::Rows::new(rows);
            for path in &paths {
                if let Some(row) = rows.get(&path.split('.').collect::<Vec<_>>()) {
                    *counts.entry(word(row.kind)).or_default() += 1;
                }
            }
            CoverageView { target: name, total: paths.len(), counts }
        });
        Self { version: VERSION, codes: Vec::new(), attributes: Vec::new(), coverage: coverage.collect() }
    }

    /// Whether there is an answer.
    pub const fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.attributes.is_empty() && self.coverage.is_empty()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for code in &self.codes {
            let severity = match code.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let _ = writeln!(out, "{} ({severity}): {}\n\n{}", code.code, code.title, wrapped(code.explanation, 88));
        }
        if !self.attributes.is_empty() {
            let rows: Vec<[String; 4]> = self
                .attributes
                .iter()
                .map(|row| {
                    [row.path.to_owned(), row.target.to_owned(), word(row.disposition).to_owned(), row.note.to_owned()]
                })
                .collect();
            out.push_str(&table(["ATTRIBUTE", "TARGET", "BECOMES", "NOTE"], &rows));
        }
        for coverage in &self.coverage {
            let _ = writeln!(out, "{}: {} attributes", coverage.target, coverage.total);
            for (kind, count) in &coverage.counts {
                let _ = writeln!(out, "{count:>7} {kind}");
            }
        }
        out
    }
}

fn steps(path: &str) -> Vec<&str> {
    path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty()).collect()
}

fn same(a: &str, b: &str) -> bool {
    a == b || a == "*" || b == "*"
}

fn matches(row: &str, asked: &str) -> bool {
    let (row, asked) = (steps(row), steps(asked));
    row.len() == asked.len() && row.iter().zip(&asked).all(|(a, b)| same(a, b))
}

/// Whether `upper` stands above `lower`.
fn above(upper: &str, lower: &str) -> bool {
    let (upper, lower) = (steps(upper), steps(lower));
    upper.len() < lower.len() && upper.iter().zip(&lower).all(|(a, b)| same(a, b))
}

/// Whether a bare word names the row, or what it stands under: `ports` for `services.*.ports.*.target`.
fn below_any(row: &str, asked: &str) -> bool {
    !asked.contains('.') && steps(row).iter().skip(2).take(1).any(|step| *step == asked)
}

fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROWS: &[Disposition] = &[
        Disposition { path: "services.*.ports", kind: DispositionKind::Mapped, note: "a Service" },
        Disposition { path: "services.*.ports.*.mode", kind: DispositionKind::Unsupported, note: "no such thing" },
        Disposition { path: "services.*.build", kind: DispositionKind::Irrelevant, note: "built before" },
    ];

    #[test]
    fn an_attribute_is_answered_by_its_row_or_the_nearest_above() {
        let paths = |asked: &str| -> Vec<&str> {
            ExplainDocument::of_attribute(asked, &[("kubernetes", ROWS)])
                .attributes
                .iter()
                .map(|row| row.path)
                .collect()
        };
        assert_eq!(paths("services.web.ports"), ["services.*.ports", "services.*.ports.*.mode"]);
        assert_eq!(paths("services.web.ports[0].mode"), ["services.*.ports.*.mode"]);
        assert_eq!(paths("services.web.ports[0].target"), ["services.*.ports"]);
        assert_eq!(paths("ports"), ["services.*.ports", "services.*.ports.*.mode"]);
        assert_eq!(paths("services.web.build.context"), ["services.*.build"]);
        assert!(paths("volumes.data").is_empty());
    }
}
