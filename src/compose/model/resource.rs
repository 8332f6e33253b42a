//! `configs`, `secrets`, `models`, and how a service uses the first two.

use super::{List, Strings, field::part};
use crate::value::Text;

part! {
    /// `services.*.configs.*`, `services.*.secrets.*`.
    ConfigReference {
        /// `gid`.
        gid: Text,
        /// `mode`, permission bits.
        mode: i64,
        /// `source`.
        source: Text,
        /// `target`: a path, or a name below the usual directory.
        target: Text,
        /// `uid`.
        uid: Text,
    }
}

part! {
    /// `configs.*`. Specification: 08-configs.
    Config {
        /// `content`; also what the file named by `file` holds once loaded for a target.
        content: Text,
        /// `environment`: the variable whose value is the content.
        environment: Text,
        /// `external`.
        external: bool,
        /// `file`, absolute.
        file: Text,
        /// `labels`.
        labels: Strings,
        /// `name`.
        name: Text,
        /// `template_driver`.
        template_driver: Text,
    }
}

part! {
    /// `secrets.*`. Specification: 09-secrets.
    Secret {
        /// The value taken from the variable that `environment` names; never printed.
        content: Text,
        /// `driver`.
        driver: Text,
        /// `driver_opts`.
        driver_opts: Strings,
        /// `environment`: the variable whose value is the content.
        environment: Text,
        /// `external`.
        external: bool,
        /// `file`, absolute.
        file: Text,
        /// `labels`.
        labels: Strings,
        /// `name`.
        name: Text,
        /// `template_driver`.
        template_driver: Text,
    }
}

part! {
    /// `models.*`.
    Model {
        /// `context_size`.
        context_size: i64,
        /// `model`.
        model: Text,
        /// `name`.
        name: Text,
        /// `runtime_flags`.
        runtime_flags: List<Text>,
    }
}
