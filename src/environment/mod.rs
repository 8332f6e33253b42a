//! `transship.yaml`: the environments an application is carried to, each with its overlays, variables, target
//! and guards.

pub(crate) mod codes;
mod file;
mod read;
mod select;

pub use codes::{DESTINATION_REQUIRED, NOT_YET};
pub use file::{
    Environment, ExpectedPlace, Guards, ImagePull, ImageSource, Images, Kubernetes, Service, SettingsFile, Silence,
    Volume,
};
pub use select::{Destination, Flags, Known, Selected, find, select};

/// The JSON Schema of `transship.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SettingsFile).to_value()
}
