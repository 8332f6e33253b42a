//! Findings as machines read them.

use super::{Finding, Findings, Severity};
use crate::value::{Masked, Origins};

/// One finding in a JSON document.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// Its stable name; `transship explain CODE` tells more.
    pub code: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong.
    pub message: Masked,
    /// The path in the Compose model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The places that show it; the first is where it is.
    pub places: Vec<PlaceView>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<Masked>,
}

/// A place in a JSON document.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaceView {
    /// File, line and column, or the name of what is no file.
    pub place: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is to be seen there.
    #[serde(skip_serializing_if = "Masked::is_empty")]
    #[schemars(default)]
    pub text: Masked,
}

/// Findings as a JSON document holds them.
pub fn view(findings: &Findings, origins: &Origins) -> Vec<FindingView> {
    findings.iter().map(|finding| view_one(finding, origins)).collect()
}

fn view_one(finding: &Finding, origins: &Origins) -> FindingView {
    let places = finding.labels.iter().filter_map(|label| {
        let words = origins.describe(label.spot)?;
        let place = origins.place(label.spot);
        Some(PlaceView {
            place: words,
            file: place.as_ref().map(|place| place.path.to_string()),
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            text: label.text.clone(),
        })
    });
    FindingView {
        code: finding.code.name,
        severity: finding.severity,
        message: finding.message.clone(),
        path: finding.path.clone(),
        places: places.collect(),
        help: finding.help.clone(),
    }
}
