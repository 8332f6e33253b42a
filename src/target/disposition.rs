//! What becomes of each attribute of the Compose model.

use std::collections::HashMap;

use super::{Dialect, codes};
use crate::{
    compose::model::{Config, Job, Model, Network, Project, Secret, Service, Shape as _, Volume},
    diagnostic::{Finding, Findings},
    value::{Masked, Spot},
    yaml::Tree,
};

/// One row of a target's table. The table drives findings, `explain`, the documentation and the test that
/// nothing is dropped in silence.
#[derive(Clone, Copy, Debug)]
pub struct Disposition {
    /// Path in the model, `*` for names and items: `services.*.ports.*.target`. A row holds for everything
    /// below it that has no row of its own.
    pub path: &'static str,
    /// What becomes of it.
    pub kind: DispositionKind,
    /// What it becomes, or why nothing, and what to do instead.
    pub note: &'static str,
}

/// What becomes of an attribute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DispositionKind {
    /// Carried: it changes the release.
    Mapped,
    /// Carried with a difference that the note tells; it changes the release.
    Approximated,
    /// Has no meaning once images are built and the application runs there.
    Irrelevant,
    /// Cannot be said on the target: a warning at its place.
    Unsupported,
    /// Would be dangerous to leave out: an error at its place.
    Refused,
    /// Can be said and is not written yet: a warning at its place.
    NotYet,
}

/// A table of dispositions, by kind.
macro_rules! table {
    ($($kind:ident { $($path:literal : $note:literal,)* })*) => {
        &[$($($crate::target::Disposition { path: $path, kind: $crate::target::DispositionKind::$kind, note: $note },)*)*]
    };
}
pub(super) use table;

/// A table, ready to be asked often.
#[derive(Debug)]
pub struct Rows(HashMap<(&'static str, &'static str), Vec<Row>>);

type Row = (Vec<&'static str>, &'static Disposition);

impl Rows {
    /// Of a table.
    pub fn new(table: &'static [Disposition]) -> Self {
        let mut rows: HashMap<_, Vec<Row>> = HashMap::new();
        for row in table {
            let steps: Vec<&str> = row.path.split('.').collect();
            rows.entry(Self::drawer(&steps)).or_default().push((steps, row));
        }
        // The longest first: it is the one that counts.
        for rows in rows.values_mut() {
            rows.sort_by_key(|(steps, _)| std::cmp::Reverse(steps.len()));
        }
        Self(rows)
    }

    /// Section and attribute: what tells most rows apart.
    fn drawer<'s>(steps: &[&'s str]) -> (&'s str, &'s str) {
        (steps.first().copied().unwrap_or_default(), steps.get(2).copied().unwrap_or_default())
    }

    /// The row of a path: the longest pattern that it is at or below. `*` in the path is any item.
    pub fn get(&self, path: &[&str]) -> Option<&'static Disposition> {
        let (section, attribute) = Self::drawer(path);
        [attribute, ""].into_iter().find_map(|attribute| {
            self.0.get(&(section, attribute))?.iter().find_map(|(steps, row)| {
                let fits = steps.len() <= path.len()
                    && steps.iter().zip(path).all(|(pattern, step)| *pattern == "*" || pattern == step);
                fits.then_some(*row)
            })
        })
    }

    /// A finding for everything that is set and does not carry, at its place.
    pub(super) fn findings(&self, dialect: Dialect, project: &Project) -> Findings {
        let mut findings = Findings::new();
        let mut said: Vec<(String, &'static str)> = Vec::new();
        project.canonical.walk(&mut |path, tree| {
            let Some(row) = self.get(path) else { return };
            let code = match row.kind {
                DispositionKind::Unsupported => &codes::UNSUPPORTED,
                DispositionKind::Refused => &codes::REFUSED,
                DispositionKind::NotYet => &codes::NOT_YET,
                _ => return,
            };
            if path.len() < row.path.split('.').count() || is_default(path, tree) || is_implied(project, path, tree) {
                return;
            }
            let depth = row.path.split('.').count();
            let at = path.get(..depth).unwrap_or_default().join(".");
            let spot = if tree.spot.is_somewhere() { tree.spot } else { place(project, path) };
            if path.len() > depth {
                // Its leaves belong to the same finding.
                if let Some(spot) = tree.spot.is_somewhere().then_some(tree.spot) {
                    findings.retain_mut(|finding| {
                        if finding.path.as_deref() == Some(at.as_str()) && finding.code.name == code.name {
                            finding.covers.push(spot);
                        }
                        true
                    });
                }
                return;
            }
            if said.contains(&(at.clone(), row.path)) {
                findings.retain_mut(|finding| {
                    if finding.path.as_deref() == Some(at.as_str()) {
                        finding.covers.push(spot);
                    }
                    true
                });
                return;
            }
            said.push((at.clone(), row.path));
            let words = format!("`{}` does not carry to {}", shown(path), dialect.title());
            findings.push(Finding::new(code, Masked::words(words), spot).at(at).help(row.note));
        });
        findings
    }
}

/// Every path of the Compose model, `*` for names and items.
pub fn paths() -> Vec<String> {
    let mut paths: Vec<String> = ["name", "models", "jobs"].map(str::to_owned).into();
    let mut visit = |path: &str, _| paths.push(path.to_owned());
    Service::shape("services.*", &mut visit);
    Network::shape("networks.*", &mut visit);
    Volume::shape("volumes.*", &mut visit);
    Config::shape("configs.*", &mut visit);
    Secret::shape("secrets.*", &mut visit);
    Model::shape("models.*", &mut visit);
    Job::shape("jobs.*", &mut visit);
    paths.sort();
    paths.dedup();
    paths
}

fn shown(path: &[&str]) -> String {
    path.get(2..).filter(|rest| !rest.is_empty()).unwrap_or(path).join(".").replace(".*", "[]")
}

fn place(project: &Project, path: &[&str]) -> Spot {
    (0..path.len())
        .rev()
        .find_map(|length| {
            project.canonical.at(path.get(..length)?).map(|tree| tree.spot).filter(|spot| spot.is_somewhere())
        })
        .unwrap_or_default()
}

/// What links and shared namespaces imply of `depends_on` stands where they do, all of it.
fn is_implied(project: &Project, path: &[&str], tree: &Tree) -> bool {
    let ["services", name, "depends_on", other, "restart"] = path else { return false };
    let condition = project.canonical.at(&["services", name, "depends_on", other, "condition"]);
    condition.is_some_and(|condition| condition.spot == tree.spot)
}

/// What Compose writes out by itself says nothing.
fn is_default(path: &[&str], tree: &Tree) -> bool {
    match path.last() {
        Some(&"restart") => matches!(tree.value, crate::yaml::Scalar::Bool(false)),
        _ => match &tree.value {
            crate::yaml::Scalar::Mapping(mapping) => mapping.entries.is_empty() && !tree.spot.is_somewhere(),
            crate::yaml::Scalar::Null => !tree.spot.is_somewhere(),
            _ => false,
        },
    }
}
