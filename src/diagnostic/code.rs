//! The list of everything that can be found.

/// How much a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; shown with `-v`.
    Info,
    /// Something written does not carry, or is suspicious. `--strict` makes it an error.
    Warning,
    /// Nothing can go on.
    Error,
}

/// A kind of finding. Its name is stable; each room declares its own beside the code that finds them and
/// lists them in [`codes`].
#[derive(Debug)]
pub struct Code {
    /// `unknown-key`: kebab-case, never reused.
    pub name: &'static str,
    /// Unless a setting says otherwise.
    pub severity: Severity,
    /// One line: what it means.
    pub title: &'static str,
    /// The long story for `transship explain CODE`: why, and what to do.
    pub explain: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}

/// Every code there is, by room.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    #[rustfmt::skip] // one room per line
    const ROOMS: &[&[&Code]] = &[
        crate::yaml::codes::ALL,
        crate::compose::codes::ALL,
        crate::target::codes::ALL,
        crate::image::codes::ALL,
        crate::remote::codes::ALL,
        crate::environment::codes::ALL,
    ];
    ROOMS.iter().flat_map(|room| room.iter().copied())
}
