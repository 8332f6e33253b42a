//! `build` and `develop`: how images come to be, which is not transship's to do.

use super::{ConfigReference, List, Map, Strings, Ulimit, Variables, field::part};
use crate::value::Text;

part! {
    /// `build`. Specification: build.
    Build {
        /// `additional_contexts`.
        additional_contexts: Strings,
        /// `args`.
        args: Variables,
        /// `cache_from`.
        cache_from: List<Text>,
        /// `cache_to`.
        cache_to: List<Text>,
        /// `context`.
        context: Text,
        /// `dockerfile`.
        dockerfile: Text,
        /// `dockerfile_inline`.
        dockerfile_inline: Text,
        /// `entitlements`.
        entitlements: List<Text>,
        /// `extra_hosts`.
        extra_hosts: Map<List<Text>>,
        /// `isolation`.
        isolation: Text,
        /// `labels`.
        labels: Strings,
        /// `network`.
        network: Text,
        /// `no_cache`.
        no_cache: bool,
        /// `no_cache_filter`.
        no_cache_filter: List<Text>,
        /// `platforms`.
        platforms: List<Text>,
        /// `privileged`.
        privileged: bool,
        /// `provenance`.
        provenance: Text,
        /// `pull`.
        pull: bool,
        /// `sbom`.
        sbom: Text,
        /// `secrets`.
        secrets: List<ConfigReference>,
        /// `shm_size`, bytes.
        shm_size: i64,
        /// `ssh`.
        ssh: Strings,
        /// `tags`.
        tags: List<Text>,
        /// `target`.
        target: Text,
        /// `ulimits`.
        ulimits: Map<Ulimit>,
    }
}

part! {
    /// `develop`. Specification: develop.
    Develop {
        /// `watch`.
        watch: List<Watch>,
    }
}

part! {
    /// `develop.watch.*`.
    Watch {
        /// `action`.
        action: Text,
        /// `exec`.
        exec: super::Hook,
        /// `ignore`.
        ignore: List<Text>,
        /// `include`.
        include: List<Text>,
        /// `initial_sync`.
        initial_sync: bool,
        /// `path`.
        path: Text,
        /// `target`.
        target: Text,
    }
}
