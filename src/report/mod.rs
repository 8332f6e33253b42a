//! Views: what people read of a plan, a status, a list, and the same as JSON documents. Everything is made of
//! masked text; nothing here can show a secret.

mod check;
mod document;
mod explain;
mod manifest;
mod outcome;
mod plan;
mod promote;
mod saved;
mod status;
mod style;

pub use check::{CheckDocument, TargetView};
pub use document::{
    EnvironmentView, EnvironmentsDocument, ErrorDocument, LockDocument, LockEntryView, UpstreamView, VERSION,
};
pub use explain::{AttributeView, CodeView, CoverageView, ExplainDocument};
pub use manifest::{ManifestView, RenderDocument};
pub use outcome::{AppliedView, ApplyDocument, StateView, outcome_text};
pub use plan::{BlockedView, ChangeView, DestinationView, DifferenceView, PlanDocument, PlanStyle, Summary, plan_text};
pub use promote::{CopiedView, PromoteDocument, PromotedTagView, PromotedView};
pub use saved::saved_text;
pub use status::{LockView, PlaceStatusView, RevisionView, StatusDocument};
pub use style::Paint;

/// JSON Schemas of all documents, by name.
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("apply", schemars::schema_for!(ApplyDocument).to_value()),
        ("check", schemars::schema_for!(CheckDocument).to_value()),
        ("environments", schemars::schema_for!(EnvironmentsDocument).to_value()),
        ("error", schemars::schema_for!(ErrorDocument).to_value()),
        ("explain", schemars::schema_for!(ExplainDocument).to_value()),
        ("lock", schemars::schema_for!(LockDocument).to_value()),
        ("plan", schemars::schema_for!(PlanDocument).to_value()),
        ("promote", schemars::schema_for!(PromoteDocument).to_value()),
        ("render", schemars::schema_for!(RenderDocument).to_value()),
        ("saved-plan", schemars::schema_for!(crate::plan::SavedPlan).to_value()),
        ("status", schemars::schema_for!(StatusDocument).to_value()),
    ]
}
