//! Mounts, devices and `volumes`.

use super::{Strings, field::part};
use crate::value::Text;

part! {
    /// `services.*.volumes.*`.
    Mount {
        /// `bind`.
        bind: Bind,
        /// `consistency`.
        consistency: Text,
        /// `image`.
        image: ImageMount,
        /// `read_only`.
        read_only: bool,
        /// `source`: a volume, an absolute path or an image.
        source: Text,
        /// `target`: a path in the container.
        target: Text,
        /// `tmpfs`.
        tmpfs: Tmpfs,
        /// `type`: `volume`, `bind`, `tmpfs`, `image`, `npipe`, `cluster`.
        kind: Text = "type",
        /// `volume`.
        volume: VolumeMount,
    }
}

part! {
    /// `bind`.
    Bind {
        /// `create_host_path`.
        create_host_path: bool,
        /// `propagation`.
        propagation: Text,
        /// `recursive`.
        recursive: Text,
        /// `selinux`.
        selinux: Text,
    }
}

part! {
    /// `volume`.
    VolumeMount {
        /// `labels`.
        labels: Strings,
        /// `nocopy`.
        nocopy: bool,
        /// `subpath`.
        subpath: Text,
    }
}

part! {
    /// `tmpfs`.
    Tmpfs {
        /// `mode`, permission bits.
        mode: i64,
        /// `size`, bytes.
        size: i64,
    }
}

part! {
    /// `image`.
    ImageMount {
        /// `subpath`.
        subpath: Text,
    }
}

part! {
    /// `services.*.devices.*`.
    Device {
        /// `permissions`.
        permissions: Text,
        /// `source`.
        source: Text,
        /// `target`.
        target: Text,
    }
}

part! {
    /// `volumes.*`. Specification: 07-volumes.
    Volume {
        /// `driver`.
        driver: Text,
        /// `driver_opts`.
        driver_opts: Strings,
        /// `external`.
        external: bool,
        /// `labels`.
        labels: Strings,
        /// `name`.
        name: Text,
    }
}
