//! The short forms of volumes, ports, devices and hosts (compose.md, section 5).

use super::codes;
use crate::{
    diagnostic::Finding,
    value::{Masked, Spot},
};

pub(super) fn refused(why: String, spot: Spot) -> Finding {
    Finding::new(&codes::INVALID_VALUE, Masked::words(why), spot)
}

/// The same for a volume.
pub(super) fn refused_volume(why: String, spot: Spot) -> Finding {
    refused(why, spot).help("write `source:target` or `source:target:ro`, or a mapping with `type` and `target`")
}

/// Where the first `=` stands.
pub(super) fn equals_sign(text: &str) -> Option<usize> {
    text.bytes().position(|b| b == b'=')
}

/// `[source:]target[:options]`.
#[derive(Debug, Default)]
pub(super) struct Volume<'a> {
    pub(super) source: &'a str,
    pub(super) target: &'a str,
    pub(super) read_only: bool,
    pub(super) nocopy: bool,
    pub(super) propagation: Option<&'a str>,
    pub(super) selinux: Option<&'a str>,
    pub(super) bind: bool,
    /// A target of one or two characters says nothing more.
    pub(super) bare: bool,
}

pub(super) fn volume(spec: &str) -> Result<Volume<'_>, String> {
    let mut volume = Volume::default();
    if spec.is_empty() {
        return Err("a volume is not empty".to_owned());
    }
    if spec.len() <= 2 {
        volume.target = spec;
        volume.bare = true;
        return Ok(volume);
    }
    let mut begun = 0;
    let mut depth = 0_u32;
    let bytes = spec.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'$' if bytes.get(index + 1) == Some(&b'{') => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b':' => {
                let part = spec.get(begun..index).unwrap_or_default();
                if depth == 0 && !is_drive(part) {
                    field(&mut volume, part, false, spec)?;
                    begun = index + 1;
                }
            }
            _ => {}
        }
    }
    if depth == 0 {
        field(&mut volume, spec.get(begun..).unwrap_or_default(), true, spec)?;
    }
    volume.bind = is_path(volume.source);
    Ok(volume)
}

/// One letter in front of a colon is a Windows drive.
fn is_drive(part: &str) -> bool {
    let mut chars = part.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

fn is_path(source: &str) -> bool {
    if source.starts_with(['.', '/', '~']) || source.starts_with("\\\\") {
        return true;
    }
    let mut chars = source.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next() == Some(':')
}

fn field<'a>(volume: &mut Volume<'a>, part: &'a str, last: bool, spec: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err(format!("`{spec}` has an empty part between colons"));
    }
    if volume.source.is_empty() {
        let slot = if last { &mut volume.target } else { &mut volume.source };
        *slot = part;
        return Ok(());
    }
    if volume.target.is_empty() {
        volume.target = part;
        return Ok(());
    }
    if !last {
        return Err(format!("`{spec}` has too many colons"));
    }
    for option in part.split(',') {
        match option {
            "ro" => volume.read_only = true,
            "rw" => volume.read_only = false,
            "nocopy" => volume.nocopy = true,
            "z" | "Z" => volume.selinux = Some(option),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                volume.propagation = Some(option);
            }
            _ => {}
        }
    }
    Ok(())
}

/// One port of a short form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) host_ip: String,
    pub(super) published: String,
    pub(super) target: u16,
    pub(super) protocol: String,
}

/// `[[ip]:][host[-end]:]container[-end][/protocol]`: one entry per port, in the reference's order.
pub(super) fn ports(spec: &str) -> Result<Vec<Port>, String> {
    let (address, protocol) = match spec.split_once('/') {
        Some((address, protocol)) if !protocol.is_empty() => (address, protocol),
        Some((address, _)) => (address, "tcp"),
        None => (spec, "tcp"),
    };
    let (host_ip, published, container) = split_address(address);
    if container.is_empty() {
        return Err(format!("`{spec}` names no container port"));
    }
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("`{protocol}` is no protocol: tcp, udp or sctp"));
    }
    let host_ip = match host_ip.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or_else(|| format!("`{host_ip}` is no address"))?,
        None => host_ip,
    };
    if !host_ip.is_empty() && host_ip.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("`{host_ip}` is no address"));
    }
    let (start, end) = range(container).ok_or_else(|| format!("`{container}` is no container port"))?;
    let host = if published.is_empty() {
        None
    } else {
        Some(range(published).ok_or_else(|| format!("`{published}` is no host port"))?)
    };
    if let Some((host_start, host_end)) = host
        && host_end - host_start != end - start
        && end != start
    {
        return Err(format!("the ranges of `{spec}` are of different length"));
    }
    let mut found: Vec<Port> = (start..=end)
        .map(|target| {
            let published = match host {
                Some((host_start, host_end)) if start == end && host_start != host_end => {
                    format!("{host_start}-{host_end}")
                }
                Some((host_start, _)) => (host_start + (target - start)).to_string(),
                None => String::new(),
            };
            Port { host_ip: host_ip.to_owned(), published, target, protocol: protocol.clone() }
        })
        .collect();
    // As text: "10000/tcp" comes before "9000/tcp".
    found.sort_by_cached_key(|port| format!("{}/{}", port.target, port.protocol));
    Ok(found)
}

/// From the right: container, host, address.
fn split_address(address: &str) -> (&str, &str, &str) {
    let Some(last) = address.rfind(':') else { return ("", "", address) };
    let container = address.get(last + 1..).unwrap_or_default();
    let rest = address.get(..last).unwrap_or_default();
    match rest.rfind(':') {
        Some(middle) => (rest.get(..middle).unwrap_or_default(), rest.get(middle + 1..).unwrap_or_default(), container),
        None => ("", rest, container),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| -> Option<u16> {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
    };
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((start, end)) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then_some((start, end))
        }
    }
}

/// `host=ip` or `host:ip`; the first `=` wins over the first `:`.
pub(super) fn host(item: &str) -> Option<(&str, &str)> {
    item.split_once('=').or_else(|| item.split_once(':')).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_expand_and_sort_as_text() {
        let shown = |spec: &str| -> Vec<String> {
            ports(spec)
                .map(|all| {
                    all.iter().map(|p| format!("{}:{}:{}/{}", p.host_ip, p.published, p.target, p.protocol)).collect()
                })
                .unwrap_or_default()
        };
        assert_eq!(shown("80"), [":: 80/tcp".replace(' ', "")]);
        assert_eq!(shown("8080-8081:80-81/UDP"), [":8080:80/udp", ":8081:81/udp"]);
        assert_eq!(shown("8080-8085:80"), [":8080-8085:80/tcp"]);
        assert_eq!(shown("[::1]:8080:80"), ["::1:8080:80/tcp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1::80/tcp"]);
        assert_eq!(shown("9999-10000:9999-10000"), [":10000:10000/tcp", ":9999:9999/tcp"]);
        for spec in ["80:", "a:80", "8080-8082:80-81", "80/icmp", "1.2.3:80:80", "*:80:80"] {
            assert!(ports(spec).is_err(), "{spec}");
        }
    }
}
