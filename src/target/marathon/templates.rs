//! The outer shape of everything that is made.

/// Every template there is, with the text we ship.
pub(super) const BUILTIN: &[(&str, &str)] = &[
    ("app.yaml", include_str!("../../../templates/marathon/app.yaml")),
    ("file.yaml", include_str!("../../../templates/marathon/file.yaml")),
];
