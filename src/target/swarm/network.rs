//! Overlay networks.

use super::translate::{Object, Translator};
use crate::{
    compose::model::{Network, Service},
    target::{
        Condition, Life, codes,
        parts::{set, sorted},
    },
    value::{Called, Fingerprint, Key, Name, Node, Part, Role, Sources, Spot, Subject, Value},
};

fn network_key(name: &str) -> Key {
    Key::new(Subject::Network(name.into()), Role::new("network"))
}

fn is_set(flag: Option<&crate::value::Located<bool>>) -> bool {
    flag.is_some_and(|flag| flag.value)
}

impl Translator<'_> {
    /// The networks that services of this release are on.
    pub(super) fn networks(&mut self, wanted: &[Name]) {
        for (name, network) in sorted(&self.project.networks) {
            let used =
                self.project.services.iter().filter(|(service, _)| wanted.contains(service)).any(|(_, service)| {
                    service.value.networks.as_ref().is_some_and(|all| all.value.contains_key(name))
                });
            if !used {
                if network.spot.is_somewhere() {
                    self.unused("networks", name, network.spot);
                }
                continue;
            }
            if is_set(network.value.external.as_ref()) {
                let real = external_name(&network.value, name);
                let spots = [
                    Some(network.spot),
                    network.value.external.as_ref().map(|external| external.spot),
                    network.value.name.as_ref().map(|name| name.spot),
                ];
                let from = self.project.origins.union(spots.into_iter().flatten());
                self.require("Network", &real, from);
                continue;
            }
            self.network(name, &network.value, network.spot);
        }
    }

    fn network(&mut self, name: &str, network: &Network, spot: Spot) {
        let mut body = Node::map(spot);
        set(&mut body, "Labels", network.labels.as_ref().map(|labels| self.strings(labels)));
        let mut driver = Node::new("overlay", spot);
        if let Some(written) = &network.driver {
            if matches!(written.value.plain(), Some("bridge" | "host" | "none" | "macvlan" | "ipvlan")) {
                let at = format!("networks.{name}.driver");
                let words = format!("the network `{name}` is an overlay there, not `{}`", written.value.masked());
                self.find(&codes::UNSUPPORTED, words, written.spot, &at, "leave out the driver, or say `overlay`");
            } else {
                driver = self.text(written);
            }
        }
        body.set("Driver", driver);
        for (key, flag) in
            [("Internal", &network.internal), ("Attachable", &network.attachable), ("EnableIPv6", &network.enable_ipv6)]
        {
            set(&mut body, key, flag.as_ref().map(|flag| Node::new(flag.value, flag.spot)));
        }
        set(&mut body, "Options", network.driver_opts.as_ref().map(|options| self.strings(options)));
        body.set("IPAM", self.addresses(network));
        let called = match self.written_name(network.name.as_ref()) {
            Some(own) => own.to_owned(),
            None => self.called(name, 63),
        };
        let inputs = Fingerprint::of(&body, self.keys, &self.project.concealed);
        self.add(Object {
            key: network_key(name),
            kind: "Network",
            name: Called::Now(called.into()),
            body,
            life: Life::Mutable,
            after: Vec::new(),
            settles: Condition::Exists,
            inputs,
            shaped: network.name.as_ref().map(|name| name.spot.into()).unwrap_or_default(),
        });
    }

    /// What nobody says the manager chooses.
    fn addresses(&self, network: &Network) -> Node {
        let theirs = || Node::new(Value::Theirs(None), Sources::NONE);
        let mut body = Node::map(network.ipam.as_ref().map(|ipam| ipam.spot).unwrap_or_default());
        let Some(ipam) = &network.ipam else {
            body.set("Config", theirs());
            return body;
        };
        set(&mut body, "Driver", ipam.value.driver.as_ref().map(|driver| self.text(driver)));
        set(&mut body, "Options", ipam.value.options.as_ref().map(|options| self.strings(options)));
        let pools = ipam.value.config.iter().flat_map(|all| &all.value).map(|pool| {
            let mut item = Node::map(pool.spot);
            set(&mut item, "Subnet", pool.value.subnet.as_ref().map(|subnet| self.text(subnet)));
            set(&mut item, "IPRange", pool.value.ip_range.as_ref().map(|range| self.text(range)));
            item.set("Gateway", pool.value.gateway.as_ref().map_or_else(theirs, |gateway| self.text(gateway)));
            set(&mut item, "AuxiliaryAddresses", pool.value.aux_addresses.as_ref().map(|all| self.strings(all)));
            item
        });
        let pools: Vec<Node> = pools.collect();
        body.set("Config", if pools.is_empty() { theirs() } else { Node::new(pools, ipam.spot) });
        body
    }

    /// The networks of a service, each with the names it answers to there.
    pub(super) fn attachments(&mut self, name: &str, service: &Service) -> Option<Node> {
        if let Some(mode) = &service.network_mode {
            return if let Some(word @ ("host" | "none")) = mode.value.plain() {
                let mut item = Node::map(mode.spot);
                item.set("Target", Node::new(word, mode.spot));
                Some(Node::new(vec![item], mode.spot))
            } else {
                let words = format!("`{}` cannot be said there", mode.value.masked());
                let at = format!("services.{name}.network_mode");
                self.find(&codes::REFUSED, words, mode.spot, &at, "use networks, which services share");
                None
            };
        }
        let networks = service.networks.as_ref()?;
        let mut sorted: Vec<_> = networks.value.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        let mut items = Vec::new();
        for (network, attachment) in sorted {
            let key = network_key(network);
            let spot = if attachment.spot.is_somewhere() { attachment.spot } else { networks.spot };
            let target = if self.resources.contains_key(&key) {
                Value::Reference(Box::new(key), Part::Name)
            } else {
                let real = self.project.networks.get(network).map(|known| external_name(&known.value, network));
                Value::from(real.unwrap_or_else(|| network.to_string()))
            };
            let mut item = Node::map(spot);
            item.set("Target", Node::new(target, spot));
            let mut aliases = vec![Node::new(name, spot)];
            for alias in attachment.value.aliases.iter().flat_map(|all| &all.value) {
                aliases.push(self.text(alias));
            }
            if let Some(own) = &service.container_name {
                aliases.push(self.text(own));
            }
            item.set("Aliases", Node::new(aliases, Sources::from(spot)));
            set(&mut item, "DriverOpts", attachment.value.driver_opts.as_ref().map(|all| self.strings(all)));
            items.push(item);
        }
        (!items.is_empty()).then(|| Node::new(items, networks.spot))
    }
}

fn external_name(network: &Network, name: &str) -> String {
    network.name.as_ref().and_then(|name| name.value.plain()).unwrap_or(name).to_owned()
}
