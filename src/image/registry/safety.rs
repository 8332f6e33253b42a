//! Where a registry may send us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Whether a host is this machine: such registries may speak plain HTTP.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || address(&host).is_some_and(|ip| ip.is_loopback())
}

/// Whether what a registry at `from` points to, by a redirect or as its token server, may be asked. A public
/// registry must not reach into a private network with our help, none may reach a link-local address (where
/// clouds keep credentials), and none may lead from HTTPS to HTTP.
pub(super) fn may_follow(from: &Url, to: &Url) -> bool {
    let scheme = to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http");
    if !scheme || !to.username().is_empty() || to.password().is_some() {
        return false;
    }
    let (Some(source), Some(host)) = (from.host_str(), to.host_str()) else { return false };
    if source.eq_ignore_ascii_case(host) {
        return true;
    }
    match reach(host) {
        Reach::Public => true,
        Reach::Private => matches!(reach(source), Reach::Private | Reach::Machine),
        Reach::Machine => reach(source) == Reach::Machine,
        Reach::Link => false,
    }
}

/// Whether two addresses are the same server, so that what is meant for one may be sent to the other.
pub(super) fn same_server(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host_str() == b.host_str() && a.port_or_known_default() == b.port_or_known_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    Private,
    Machine,
    Link,
}

fn reach(host: &str) -> Reach {
    if is_this_machine(host) {
        return Reach::Machine;
    }
    match address(host) {
        None => Reach::Public,
        Some(IpAddr::V4(ip)) => reach_v4(ip),
        Some(IpAddr::V6(ip)) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let shared = ip.octets().first() == Some(&100) && ip.octets().get(1).is_some_and(|second| second & 0xc0 == 64);
    if ip.is_loopback() || ip.octets().first() == Some(&0) {
        Reach::Machine
    } else if ip.is_link_local() || ip.is_broadcast() || ip.is_multicast() {
        Reach::Link
    } else if ip.is_private() || shared {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return reach_v4(mapped);
    }
    if ip.is_loopback() || ip.is_unspecified() {
        Reach::Machine
    } else if ip.is_unicast_link_local() || ip.is_multicast() {
        Reach::Link
    } else if ip.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_into_a_private_place() {
        for (from, to, expected) in [
            ("https://registry.example.com/", "https://cdn.example.net/blob?signature=x", true),
            ("https://registry.example.com/", "http://registry.example.com/", false),
            ("https://registry.example.com/", "https://127.0.0.1/", false),
            ("https://registry.example.com/", "https://localhost:5000/", false),
            ("https://registry.example.com/", "https://10.0.0.1/", false),
            ("https://registry.example.com/", "https://100.64.0.1/", false),
            ("https://registry.example.com/", "https://[fd00::1]/", false),
            ("https://registry.example.com/", "https://[::ffff:169.254.169.254]/", false),
            ("https://registry.example.com/", "https://2852039166/", false),
            ("https://registry.example.com/", "https://user:pass@cdn.example.net/", false),
            ("https://registry.example.com/", "ftp://cdn.example.net/", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/", true),
            ("http://127.0.0.1:5000/", "http://169.254.169.254/latest/meta-data", false),
            ("https://10.0.0.1/", "https://10.0.0.2/", true),
            ("https://10.0.0.1/", "https://127.0.0.1/", false),
        ] {
            let urls = (Url::parse(from), Url::parse(to));
            let (Ok(source), Ok(target)) = urls else { panic!("{from} {to}") };
            assert_eq!(may_follow(&source, &target), expected, "{from} {to}");
        }
    }

    #[test]
    fn this_machine_has_many_names() {
        for (host, expected) in
            [("localhost", true), ("a.localhost.", true), ("127.1.2.3", true), ("[::1]", true), ("example.com", false)]
        {
            assert_eq!(is_this_machine(host), expected, "{host}");
        }
    }
}
