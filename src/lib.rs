//! transship carries a Docker Compose application to where it runs.
//!
//! One way leads through the crate. Each stage takes a value and gives a value; only the first, the second and the
//! last two touch anything outside.
//!
//! ```text
//!   compose.yaml  overlays  .env             registries, layouts
//!           │                                        │
//!           ▼                                        ▼
//!    ┌─────────────┐  Project  ┌────────────┐  Pinned  ┌───────────────────┐  Release
//!    │ compose     │──────────▶│ image      │─────────▶│ target            │──────────┐
//!    │ load, merge │           │ pin        │          │ translate (pure)  │          │
//!    └─────────────┘           └────────────┘          └───────────────────┘          ▼
//!           │                  transship.lock                    │             ┌─────────────┐
//!           └──────────── findings, with their places ───────────┤             │ plan        │
//!                                                                ▼             │ build (pure)│
//!                        ┌────────────┐   Observation                          └─────────────┘
//!        the place ─────▶│ platform   │──────────────────────────────────────────▲     │ Plan
//!     cluster, directory │ observe    │                                                ▼
//!            ▲           └────────────┘                                        shown, agreed to
//!            │           ┌────────────┐                                                │
//!            └───────────│ deploy     │◀───────────────────────────────────────────────┘
//!                        └────────────┘  steps, waiting, a revision in the ledger
//! ```
//!
//! What to know before reading any of it:
//!
//! - [`value`]: every value knows where somebody wrote it (four bytes), and every string which of its bytes are secret.
//!   That is why a difference in a manifest can name a line of an overlay, and why nothing has to be hidden afterwards.
//! - [`compose`] loads as Docker Compose loads. Nothing after it reads a Compose file again.
//! - [`remote`] hands it what `include`, `extends` and `-f` name in git repositories and registries.
//! - [`image`] is the only maker of a `Pinned` project, and nothing else can be translated.
//! - [`target`] knows the words of a platform and nothing that runs; [`platform`] knows places and nothing of Compose.
//! - [`engine`] is the client of the Docker Engine's API, for whoever asks or tells one something.
//! - [`plan`] is a function of what is wanted and what was seen. Diff, drift, destroy and a saved plan are that function
//!   with other arguments.
//! - [`diagnostic`] holds everything that can be found wrong, each with a code, a place and a remedy; [`report`] holds the
//!   views of plans and lists.
//! - [`environment`] reads `transship.yaml`; [`session`] is the only room that asks the process anything; [`cli`] puts
//!   the stages in a row, one file per command.
//!
//! Resources are told apart by who they are ([`value::Key`]), never by what they are called, so renamed, content-named
//! and other-environment objects align. Bodies refer to each other by key; encoders make names of it at the edge.

mod beside;
mod causes;
pub mod cli;
pub mod compose;
pub mod deploy;
pub mod diagnostic;
pub mod engine;
pub mod environment;
pub mod image;
pub mod plan;
pub mod platform;
pub mod remote;
pub mod report;
pub mod session;
pub mod target;
pub mod value;
pub mod yaml;
