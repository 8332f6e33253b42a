//! Everything that is tested from outside, in one binary.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::await_holding_lock,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::needless_for_each,
    clippy::unnecessary_fold,
    clippy::zero_sized_map_values,
    reason = "scripted servers are small, and read plainly"
)]

mod built_real;
mod cli_bad_input;
mod cli_check;
mod cli_deploy;
mod cli_environment;
mod cli_lock;
mod cli_promote;
mod cli_support;
mod cli_usage;
mod cluster;
mod cluster_real;
mod config_again;
mod config_digests;
mod config_hostile;
mod config_large;
mod config_messages;
mod config_modes;
mod conformance;
mod coverage;
mod credential_helper;
mod cut;
mod engine;
mod engine_real;
mod engine_tls;
mod fixtures;
mod frozen;
mod host;
mod host_real;
mod layout;
mod local_image;
mod marathon;
mod marathon_real;
mod marathon_server;
mod promote;
mod readme;
mod reference_real;
mod registry;
mod registry_answers;
mod registry_credentials;
mod registry_real;
mod remote;
mod remote_artifact;
mod remote_real;
mod shop_real;
mod source;
mod support;
mod swarm_real;
mod trouble_real;
mod yaml_readers;
