//! What becomes of each attribute of the Compose model.

use std::collections::HashMap;

use crate::compose::model::{Config, Job, Model, Network, Secret, Service, Shape as _, Volume};

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
