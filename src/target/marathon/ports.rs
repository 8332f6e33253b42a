//! Ports and the names under which they are found: virtual addresses, which lead to every instance of an app.

use super::{
    app::setting,
    translate::{Translator, called, map},
};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{
        codes, naming,
        parts::{some_map, sorted},
    },
    value::{Located, Name, Node, Source, Sources, Spot, Text, Value},
};

/// A port of a container.
#[derive(Clone, Debug)]
struct Port {
    number: i64,
    protocols: Vec<String>,
    name: Option<Node>,
    from: Sources,
    /// The port of the agent.
    host: Option<i64>,
    /// Further ports under which it is found.
    published: Vec<i64>,
}

/// A further name under which a service is found.
struct Alias {
    name: String,
    spot: Spot,
    at: String,
}

/// What an app says of its network.
pub(super) struct Ports {
    pub(super) networks: Node,
    pub(super) mappings: Option<Node>,
    pub(super) definitions: Option<Node>,
    pub(super) required: Option<Node>,
    /// Whether a port of the agent is its own.
    pub(super) fixed: bool,
}

impl Translator<'_> {
    pub(super) fn ports(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Ports {
        let mode = service.network_mode.as_ref();
        let word = mode.and_then(|mode| mode.value.plain()).unwrap_or_default().to_owned();
        let from = mode.map(|mode| self.from(mode)).unwrap_or_default();
        if let Some(mode) = mode {
            self.network_mode(name, mode);
        }
        let all = self.all_ports(name, service, image);
        let on_host = word == "host";
        let items = self.addressed(name, service, &all, on_host);
        if on_host {
            let networks =
                Node { value: vec![map(vec![("mode", Node { value: "host".into(), from })], from)].into(), from };
            let required = (!all.is_empty()).then_some(Node { value: Value::Bool(true), from });
            // An empty list says that it has none; nothing said would be one.
            return Ports {
                networks,
                mappings: None,
                definitions: Some(Node::new(items, from)),
                required,
                fixed: !all.is_empty(),
            };
        }
        let network = match &self.settings.marathon.network {
            Some(network) => map(
                vec![
                    ("mode", Node::new("container", network.spot)),
                    ("name", Node::new(&*network.value, network.spot)),
                ],
                network.spot.into(),
            ),
            None => map(vec![("mode", Node { value: "container/bridge".into(), from })], from),
        };
        let fixed = all.iter().any(|port| port.host.is_some());
        Ports {
            networks: Node::new(vec![network], Sources::NONE),
            mappings: Some(Node::new(items, Sources::NONE)),
            definitions: None,
            required: None,
            fixed,
        }
    }

    fn network_mode(&mut self, name: &str, mode: &Located<Text>) {
        let at = format!("services.{name}.network_mode");
        match mode.value.plain().unwrap_or_default() {
            "host" | "bridge" => {}
            word if word.starts_with("service:") || word.starts_with("container:") => {
                let words = format!("`{name}` cannot be in the network of another: `{}`", mode.value.masked());
                self.find(
                    &codes::REFUSED,
                    words,
                    mode.spot,
                    &at,
                    "give them networks of their own, or run both programs in one image",
                );
            }
            "none" => {
                let words = format!("`{name}` would have a network in any case");
                self.find(&codes::REFUSED, words, mode.spot, &at, "leave it out, where that does no harm");
            }
            _ => {
                let words = format!("`{name}` is on the network of all apps");
                self.find(&codes::APPROXIMATED, words, mode.spot, &at, "set `network` under `marathon`");
            }
        }
    }

    /// Every port of a service: published, exposed, and those the image says.
    fn all_ports(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Vec<Port> {
        let mut found: Vec<Port> = Vec::new();
        let origins = &self.project.origins;
        let mut add = |port: Port| match found.iter_mut().find(|known| known.number == port.number) {
            Some(known) => {
                known.from = origins.join([known.from, port.from]);
                known.name = known.name.take().or(port.name);
                known.host = known.host.or(port.host);
                known.protocols.extend(port.protocols);
                known.published.extend(port.published);
            }
            None => found.push(port),
        };
        let mut inside: Vec<(usize, i64, Vec<Spot>, String)> = Vec::new();
        for (index, port) in service.ports.iter().flat_map(|all| &all.value).enumerate() {
            let value = &port.value;
            let Some(target) = &value.target else { continue };
            let word =
                |field: &Option<Located<Text>>| field.as_ref().and_then(|text| text.value.plain()).map(str::to_owned);
            let texts =
                [&value.protocol, &value.published, &value.mode, &value.host_ip, &value.name, &value.app_protocol];
            let spots = texts.into_iter().flatten().map(|text| text.spot).chain([port.spot, target.spot]);
            let from = origins.union(spots);
            let published = word(&value.published).and_then(|text| text.parse::<i64>().ok());
            let on_agent = word(&value.mode).as_deref() == Some("host");
            if !on_agent {
                let spots = [
                    Some(port.spot),
                    value.published.as_ref().map(|one| one.spot),
                    value.host_ip.as_ref().map(|one| one.spot),
                ];
                inside.push((
                    index,
                    target.value,
                    spots.into_iter().flatten().collect(),
                    word(&value.published).unwrap_or_default(),
                ));
            }
            add(Port {
                number: target.value,
                protocols: vec![word(&value.protocol).unwrap_or_else(|| "tcp".to_owned())],
                name: value
                    .name
                    .as_ref()
                    .map(|text| Node { value: naming::slug(text.value.plain().unwrap_or_default(), 63).into(), from }),
                from,
                host: published.filter(|_| on_agent),
                published: published.filter(|published| !on_agent && *published != target.value).into_iter().collect(),
            });
        }
        let mut plain = |text: &str, from: Sources| {
            let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) else { return };
            for number in first..=last.min(first + 1000) {
                let protocols = vec![protocol.to_ascii_lowercase()];
                add(Port { number, protocols, name: None, from, host: None, published: Vec::new() });
            }
        };
        for item in service.expose.iter().flat_map(|all| &all.value) {
            plain(item.value.plain().unwrap_or_default(), item.value.sources(item.spot, origins));
        }
        for (number, protocol) in image.configuration.iter().flat_map(|configuration| &configuration.exposed_ports) {
            let spot = origins.add(Source::Image { reference: image.written.clone(), field: "ExposedPorts" });
            plain(&format!("{number}/{protocol}"), spot.into());
        }
        for (index, number, spots, published) in inside {
            let shown = if published.is_empty() { String::new() } else { format!(" as {published}") };
            let words = format!("port {number} of `{name}` is found inside the cluster, not from outside{shown}");
            let help = "write `mode: host` for a port of the agents, or give it to a load balancer with its labels";
            self.find_covering(&codes::NOT_PUBLISHED, words, &spots, &format!("services.{name}.ports[{index}]"), help);
        }
        found
    }

    /// Ports as an app has them, each with its addresses.
    fn addressed(&mut self, name: &str, service: &Service, all: &[Port], on_host: bool) -> Vec<Node> {
        let aliases = self.aliases(name, service);
        let hosts = self.virtual_hosts(name, service, all);
        let mut items = Vec::new();
        for (index, port) in all.iter().enumerate() {
            if port.protocols.iter().any(|word| word != "tcp" && word != "udp") {
                let spots = self.project.origins.spots(port.from);
                let words = format!("port {} of `{name}` speaks what is neither tcp nor udp", port.number);
                self.find_covering(
                    &codes::UNSUPPORTED,
                    words,
                    &spots,
                    &format!("services.{name}.ports"),
                    "leave it out",
                );
                continue;
            }
            let both =
                port.protocols.iter().any(|word| word == "tcp") && port.protocols.iter().any(|word| word == "udp");
            let protocol = if both { "udp,tcp" } else { port.protocols.first().map_or("tcp", String::as_str) };
            let mut addresses: Vec<(String, Sources)> = Vec::new();
            let mut outside = vec![port.number];
            outside.extend(&port.published);
            for number in outside {
                self.address_once(name, name, number, port.from, &format!("services.{name}.ports"), &mut addresses);
                for alias in &aliases {
                    self.address_once(name, &alias.name, number, alias.spot.into(), &alias.at, &mut addresses);
                }
            }
            addresses.extend(
                hosts
                    .iter()
                    .filter(|(at, ..)| *at == index)
                    .map(|(_, host, from)| (format!("/{host}.external:80"), *from)),
            );
            let mut labels = Node::map(port.from);
            for (index, (address, from)) in addresses.into_iter().enumerate() {
                labels.set(format!("VIP_{index}"), Node { value: address.into(), from });
            }
            let number = |value: i64| Some(Node { value: Value::Integer(value), from: port.from });
            let said = Some(Node { value: protocol.into(), from: port.from });
            let entries = if on_host {
                vec![
                    ("port", number(port.number)),
                    ("protocol", said),
                    ("name", port.name.clone()),
                    ("labels", Some(labels)),
                ]
            } else {
                vec![
                    ("containerPort", number(port.number)),
                    ("hostPort", number(port.host.unwrap_or_default())),
                    ("protocol", said),
                    ("name", port.name.clone()),
                    ("labels", Some(labels)),
                ]
            };
            items.extend(some_map(entries, port.from));
        }
        items
    }

    /// One address, unless it leads elsewhere already.
    fn address_once(
        &mut self,
        service: &str,
        name: &str,
        port: i64,
        from: Sources,
        at: &str,
        out: &mut Vec<(String, Sources)>,
    ) {
        let address = format!("/{}:{port}", self.address_of(name));
        if let Some((_, known)) = out.iter_mut().find(|(known, _)| *known == address) {
            *known = self.project.origins.join([*known, from]);
            return;
        }
        let other = self.addresses.get(&address).filter(|other| &***other != service).cloned();
        let named =
            self.project.services.keys().find(|other| &***other != service && called(other) == called(name)).cloned();
        if let Some(other) = named.or(other) {
            let spots = self.project.origins.spots(from);
            let words = format!("`{name}` leads to `{other}`, and cannot lead to `{service}` as well");
            self.find_covering(&codes::UNSUPPORTED, words, &spots, at, "choose another name");
            return;
        }
        self.addresses.insert(address.clone(), Name::from(service));
        out.push((address, from));
    }

    /// Further names of a service: those on its networks, its container's, and those that others link to it by.
    fn aliases(&mut self, name: &str, service: &Service) -> Vec<Alias> {
        let mut aliases = Vec::new();
        for (network, attachment) in service.networks.iter().flat_map(|all| sorted(&all.value)) {
            for alias in attachment.value.aliases.iter().flat_map(|all| &all.value) {
                let at = format!("services.{name}.networks.{network}.aliases");
                aliases.push(Alias { name: alias.value.plain().unwrap_or_default().to_owned(), spot: alias.spot, at });
            }
        }
        if let Some(own) = &service.container_name {
            let at = format!("services.{name}.container_name");
            aliases.push(Alias { name: own.value.plain().unwrap_or_default().to_owned(), spot: own.spot, at });
        }
        for (other, linking) in sorted(&self.project.services) {
            for link in linking.value.links.iter().flat_map(|all| &all.value) {
                let Some(text) = link.value.plain() else { continue };
                let (target, alias) = text.split_once(':').unwrap_or((text, text));
                if target == name {
                    aliases.push(Alias {
                        name: alias.to_owned(),
                        spot: link.spot,
                        at: format!("services.{other}.links"),
                    });
                }
            }
        }
        for alias in &aliases {
            let there = called(&alias.name);
            if there != alias.name {
                let words = format!("the alias `{}` is called `{there}` there", alias.name);
                self.find(&codes::NAME_CHANGED, words, alias.spot, &alias.at, "check the addresses that name it");
            }
        }
        let ports = service.ports.is_some() || service.expose.is_some();
        if !ports {
            let nowhere: Vec<_> =
                aliases.iter().map(|alias| (alias.name.clone(), alias.spot, alias.at.clone())).collect();
            for (alias, spot, at) in nowhere {
                let words = format!("`{alias}` is found by the ports that the image says, if it says any");
                self.find(&codes::APPROXIMATED, words, spot, &at, "name ports with `expose`");
            }
        }
        aliases
    }

    /// Hosts that the labels `…marathon.vhost` and `…marathon.vhosts` ask for: index of the port, host, and places.
    fn virtual_hosts(&mut self, name: &str, service: &Service, all: &[Port]) -> Vec<(usize, String, Sources)> {
        let mut out = Vec::new();
        let mut asked: Vec<(String, Sources, Spot)> = Vec::new();
        if let Some((_, text)) = setting(service, "vhost") {
            asked.push((text.value.plain().unwrap_or_default().to_owned(), self.from(text), text.spot));
        }
        if let Some((key, text)) = setting(service, "vhosts") {
            let read = text.value.plain().and_then(|text| serde_json::from_str::<Vec<String>>(text).ok());
            if let Some(hosts) = read {
                asked.extend(hosts.into_iter().map(|host| (host, self.from(text), text.spot)));
            } else {
                let words = format!("the label `{key}` is no list of hosts in JSON");
                let at = format!("services.{name}.labels.{key}");
                self.find(&codes::INVALID_NAME, words, text.spot, &at, "write `[\"shop.example.com:8080\"]`");
            }
        }
        for (host, from, spot) in asked {
            let (host, port) = host.split_once(':').unwrap_or((&host, "80"));
            let wanted = port.parse::<i64>().unwrap_or(80);
            if let Some(index) = all.iter().position(|known| known.number == wanted) {
                out.push((index, host.to_owned(), from));
            } else {
                let words = format!("`{name}` has no port {port} that {host} could lead to");
                let at = format!("services.{name}.labels");
                self.find(&codes::UNSUPPORTED, words, spot, &at, "name one of its ports: `HOST:PORT`");
            }
        }
        out
    }
}
