//! Compose files to a typed model, exactly as Docker Compose loads them: one module per stage.

mod bind;
mod canonical;
pub(crate) mod codes;
mod conceal;
mod consistency;
mod contents;
mod discover;
mod dotenv;
mod extends;
mod include;
mod interpolate;
mod load;
mod merge;
pub mod model;
mod normalize;
mod order;
mod paths;
mod render;
mod request;
mod schema;
mod select;
mod short;
mod stage;
mod table;
mod typed;
mod unique;
pub(crate) mod units;
mod variables;

pub use bind::{Bind, body};
pub use conceal::name_says_so;
pub use load::{Loaded, configuration, load};
pub use render::Configuration;
pub use request::{FileKind, Files, Request, Skip, clean, directory, join};
pub use units::size;
