//! Ports, network attachments and `networks`.

use super::{List, Strings, field::part};
use crate::value::Text;

part! {
    /// `ports.*`.
    Port {
        /// `app_protocol`.
        app_protocol: Text,
        /// `host_ip`.
        host_ip: Text,
        /// `mode`: `ingress` or `host`.
        mode: Text,
        /// `name`.
        name: Text,
        /// `protocol`: `tcp`, `udp`, `sctp`.
        protocol: Text,
        /// `published`: a port or a range.
        published: Text,
        /// `target`.
        target: i64,
    }
}

part! {
    /// `services.*.networks.*`.
    NetworkAttachment {
        /// `aliases`.
        aliases: List<Text>,
        /// `driver_opts`.
        driver_opts: Strings,
        /// `gw_priority`.
        gw_priority: i64,
        /// `interface_name`.
        interface_name: Text,
        /// `ipv4_address`.
        ipv4_address: Text,
        /// `ipv6_address`.
        ipv6_address: Text,
        /// `link_local_ips`.
        link_local_ips: List<Text>,
        /// `mac_address`.
        mac_address: Text,
        /// `priority`.
        priority: i64,
    }
}

part! {
    /// `networks.*`. Specification: 06-networks.
    Network {
        /// `attachable`.
        attachable: bool,
        /// `driver`.
        driver: Text,
        /// `driver_opts`.
        driver_opts: Strings,
        /// `enable_ipv4`.
        enable_ipv4: bool,
        /// `enable_ipv6`.
        enable_ipv6: bool,
        /// `external`.
        external: bool,
        /// `internal`.
        internal: bool,
        /// `ipam`.
        ipam: AddressManagement,
        /// `labels`.
        labels: Strings,
        /// `name`.
        name: Text,
    }
}

part! {
    /// `networks.*.ipam`.
    AddressManagement {
        /// `config`.
        config: List<AddressPool>,
        /// `driver`.
        driver: Text,
        /// `options`.
        options: Strings,
    }
}

part! {
    /// `networks.*.ipam.config.*`.
    AddressPool {
        /// `aux_addresses`.
        aux_addresses: Strings,
        /// `gateway`.
        gateway: Text,
        /// `ip_range`.
        ip_range: Text,
        /// `subnet`.
        subnet: Text,
    }
}
