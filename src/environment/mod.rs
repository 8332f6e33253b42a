//! `transship.yaml`: the environments an application is carried to, each with its overlays, variables, target
//! and guards.

pub(crate) mod codes;
mod destination;
mod file;
mod read;
mod select;
mod settings;

pub use codes::DESTINATION_REQUIRED;
pub use destination::{Destination, EngineName};
pub use file::{
    Compose, Environment, ExpectedPlace, Guards, ImagePull, ImageSource, Images, Kubernetes, Marathon, Service,
    SettingsFile, Silence, Swarm, Volume,
};
pub use select::{Flags, Known, Selected, find, select};

/// The JSON Schema of `transship.yaml`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SettingsFile).to_value()
}
