//! What becomes of each attribute of the Compose model.

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
