//! CPU, memory, storage and graphics cards.

use super::{storage::quantity, translate::Translator};
use crate::{
    compose,
    compose::model::{DeviceRequest, Resource, Service},
    target::{
        codes,
        parts::{some_map, sorted},
    },
    value::{Located, Node, Sources, Spot, Value},
};

impl Translator<'_> {
    pub(super) fn resources(&mut self, name: &str, service: &Service) -> Option<Node> {
        let deploy =
            service.deploy.as_ref().and_then(|deploy| deploy.value.resources.as_ref()).map(|found| &found.value);
        let limits = deploy.and_then(|resources| resources.limits.as_ref()).map(|found| &found.value);
        let reservations = deploy.and_then(|resources| resources.reservations.as_ref()).map(|found| &found.value);
        let cards = self.cards(name, service, reservations);
        let quota = self.quota(name, service);
        let cpu = |part: Option<&Resource>| {
            part.and_then(|part| part.cpus.as_ref()).map(|count| Node::new(cpus(count.value), count.spot))
        };
        let memory = |part: Option<&Resource>| part.and_then(|part| part.memory.as_ref()).and_then(bytes);
        let own = service.cpus.as_ref().map(|count| Node::new(cpus(count.value), count.spot));
        let mut limit = vec![
            ("cpu", self.first([cpu(limits), own, quota])),
            ("memory", self.first([memory(limits), service.mem_limit.as_ref().and_then(bytes), None])),
            ("ephemeral-storage", self.storage_size(name, service)),
        ];
        let shares = service.cpu_shares.as_ref().map(|shares| {
            #[allow(clippy::cast_precision_loss, reason = "shares are small")]
            Node::new(cpus(shares.value as f64 / 1024.0), shares.spot)
        });
        let request = vec![
            ("cpu", self.first([cpu(reservations), shares, None])),
            ("memory", self.first([memory(reservations), service.mem_reservation.as_ref().and_then(bytes), None])),
        ];
        if let Some((resource, count)) = cards {
            limit.push((resource, Some(count)));
        }
        some_map(
            vec![("limits", some_map(limit, Sources::NONE)), ("requests", some_map(request, Sources::NONE))],
            Sources::NONE,
        )
    }

    /// The first that is there; what says the same in other words is part of why.
    fn first(&self, said: [Option<Node>; 3]) -> Option<Node> {
        let from = self.project.origins.join(said.iter().flatten().map(|node| node.from));
        said.into_iter().flatten().next().map(|node| Node { from, ..node })
    }

    /// `cpu_quota` over `cpu_period`.
    fn quota(&mut self, name: &str, service: &Service) -> Option<Node> {
        let period = service.cpu_period.as_ref();
        let Some(quota) = service.cpu_quota.as_ref().filter(|quota| quota.value > 0) else {
            if let Some(period) = period {
                let words = "a period says nothing without `cpu_quota`".to_owned();
                let at = format!("services.{name}.cpu_period");
                self.find(&codes::UNSUPPORTED, words, period.spot, &at, "use `cpus`");
            }
            return None;
        };
        let every = period.map_or(100_000, |period| period.value.max(1));
        let from = self.project.origins.union([quota.spot, period.map(|period| period.spot).unwrap_or_default()]);
        #[allow(clippy::cast_precision_loss, reason = "microseconds are small")]
        let count = quota.value as f64 / every as f64;
        Some(Node { value: cpus(count).into(), from })
    }

    fn storage_size(&mut self, name: &str, service: &Service) -> Option<Node> {
        let options = service.storage_opt.as_ref()?;
        let mut size = None;
        for (key, text) in sorted(&options.value) {
            let amount = text.value.plain().filter(|_| &**key == "size").and_then(compose::size);
            if let Some(amount) = amount.filter(|amount| *amount > 0) {
                let from = text.value.sources(text.spot, &self.project.origins);
                size = Some(Node { value: quantity(amount).into(), from });
            } else {
                let words = format!("`{key}` of the storage cannot be said");
                let at = format!("services.{name}.storage_opt.{key}");
                self.find(&codes::UNSUPPORTED, words, text.spot, &at, "`size` can, as in `size: 10G`");
            }
        }
        size
    }

    /// Graphics cards, as the resource that their makers' device plugins offer: a count of them, which stands in the
    /// limits, where requests follow.
    fn cards(
        &mut self,
        name: &str,
        service: &Service,
        reservations: Option<&Resource>,
    ) -> Option<(&'static str, Node)> {
        let own = service.gpus.as_ref().map(|gpus| (gpus, format!("services.{name}.gpus")));
        let path = format!("services.{name}.deploy.resources.reservations.devices");
        let reserved = reservations.and_then(|part| part.devices.as_ref()).map(|devices| (devices, path));
        let mut total: Option<(&'static str, i64, Vec<Sources>)> = None;
        for (list, at) in [own, reserved].into_iter().flatten() {
            for request in &list.value {
                match countable(&request.value) {
                    Ok((resource, count)) if total.as_ref().is_none_or(|(known, ..)| *known == resource) => {
                        let from = self.project.origins.union(spots(request));
                        self.capabilities(request, &at);
                        let entry = total.get_or_insert((resource, 0, Vec::new()));
                        entry.1 += count;
                        entry.2.push(from);
                    }
                    Ok(_) => {
                        let words = "cards of two makers cannot be had together".to_owned();
                        self.find_covering(&codes::UNSUPPORTED, words, &spots(request), &at, "ask for one kind");
                    }
                    Err(words) => {
                        let help = "write `driver: nvidia` or `amd`, `capabilities: [gpu]` and `count: 1`";
                        self.find_covering(&codes::UNSUPPORTED, words.to_owned(), &spots(request), &at, help);
                    }
                }
            }
        }
        let (resource, count, from) = total?;
        Some((resource, Node { value: Value::from(count.to_string()), from: self.project.origins.join(from) }))
    }
}

impl Translator<'_> {
    /// What else a card is to be able to do is up to the nodes.
    fn capabilities(&mut self, request: &Located<DeviceRequest>, at: &str) {
        let further: Vec<_> = request
            .value
            .capabilities
            .iter()
            .flat_map(|all| &all.value)
            .filter(|word| word.value.plain() != Some("gpu"))
            .map(|word| (word.value.masked(), word.spot))
            .collect();
        for (word, spot) in further {
            let words = format!("the nodes decide whether cards have the capability `{word}`");
            self.find(&codes::APPROXIMATED, words, spot, at, "set NVIDIA_DRIVER_CAPABILITIES in the environment");
        }
    }
}

/// Which resource a request is for, and how many of it.
fn countable(request: &DeviceRequest) -> Result<(&'static str, i64), &'static str> {
    let driver = request.driver.as_ref().and_then(|driver| driver.value.plain()).unwrap_or_default();
    let card = request.capabilities.iter().flat_map(|all| &all.value).any(|word| word.value.plain() == Some("gpu"));
    let resource = match driver {
        "nvidia" => "nvidia.com/gpu",
        "amd" => "amd.com/gpu",
        "" if card => "nvidia.com/gpu",
        _ => return Err("only graphics cards of NVIDIA and AMD have a resource that can be asked for"),
    };
    if request.device_ids.is_some() {
        return Err("a certain card cannot be asked for, only a number of them");
    }
    if request.options.is_some() {
        return Err("options of a driver cannot be said");
    }
    match request.count.as_ref().map(|count| count.value) {
        Some(count) if count > 0 => Ok((resource, count)),
        _ => Err("all cards of a node cannot be asked for, only a number of them"),
    }
}

fn spots(request: &Located<DeviceRequest>) -> Vec<Spot> {
    let value = &request.value;
    let lists = [&value.capabilities, &value.device_ids];
    let words = lists.into_iter().flatten().flat_map(|all| &all.value).map(|word| word.spot);
    let options = value.options.iter().flat_map(|all| all.value.values()).map(|text| text.spot);
    let others = [value.count.as_ref().map(|count| count.spot), value.driver.as_ref().map(|driver| driver.spot)];
    [request.spot].into_iter().chain(words).chain(options).chain(others.into_iter().flatten()).collect()
}

fn bytes(amount: &Located<i64>) -> Option<Node> {
    (amount.value > 0).then(|| Node::new(quantity(amount.value), amount.spot))
}

/// A number of CPUs as a quantity: `2`, `500m`; never none at all.
fn cpus(count: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "a small number")]
    let milli = (count * 1000.0).round() as i64;
    if milli % 1000 == 0 && milli > 0 { (milli / 1000).to_string() } else { format!("{}m", milli.max(1)) }
}
