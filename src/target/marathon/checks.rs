//! Health checks: those of Compose and of images, with their times written out, and those that labels ask for.

use std::time::Duration;

use super::{
    app::setting,
    translate::{Translator, map, seconds, some_list},
};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{codes, parts::some_map},
    value::{Located, Node, Source, Sources, Spot, Text, TextBuilder, Value},
};

/// What a service is checked with.
struct Test {
    /// `COMMAND`, and the line that a shell runs.
    line: Node,
}

impl Translator<'_> {
    /// Whether a service says how it is, at all.
    pub(super) fn is_checked(&self, service: &Service, image: &PinnedImage) -> bool {
        ["healthcheck", "healthcheck.path", "healthcheck.portindex", "healthcheck.command", "healthchecks"]
            .iter()
            .any(|name| setting(service, name).is_some())
            || self.test(service, image).is_some()
    }

    /// `healthChecks` of an app: what labels ask for, else what Compose or the image says.
    pub(super) fn checks(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Option<Node> {
        let asked = self.labelled(name, service);
        if let Some(checks) = asked {
            if let Some(check) = &service.healthcheck {
                let words = format!("the labels of `{name}` say how it is checked, and not this");
                let spots = Self::check_spots(check);
                let at = format!("services.{name}.healthcheck");
                self.find_covering(&codes::APPROXIMATED, words, &spots, &at, "leave out one of them");
            }
            return Some(checks);
        }
        let test = self.test(service, image)?;
        let first = service.healthcheck.as_ref().and_then(|check| check.value.test.as_ref()?.value.first());
        if let Some(first) = first.filter(|first| first.value.plain() == Some("CMD")).map(|first| first.spot) {
            let words = format!("a shell of the image of `{name}` runs its health check");
            let at = format!("services.{name}.healthcheck.test");
            let help = "where there is no shell, ask for a page: com.microsoft.acs.dcos.marathon.healthcheck.path";
            self.find(&codes::APPROXIMATED, words, first, &at, help);
        }
        let own = service.healthcheck.as_ref().map(|check| &check.value);
        let theirs = image.configuration.as_ref().and_then(|configuration| configuration.healthcheck.as_ref());
        let from_image = || self.of_image(image);
        let time = |field: Option<&Located<Duration>>, other: Option<Duration>, default: u64| match (field, other) {
            (Some(field), _) => (field.value, field.spot),
            (None, Some(other)) => (other, from_image()),
            (None, None) => (Duration::from_secs(default), Spot::NOWHERE),
        };
        let interval = time(own.and_then(|check| check.interval.as_ref()), theirs.and_then(|check| check.interval), 30);
        let timeout = time(own.and_then(|check| check.timeout.as_ref()), theirs.and_then(|check| check.timeout), 30);
        let start =
            time(own.and_then(|check| check.start_period.as_ref()), theirs.and_then(|check| check.start_period), 0);
        // How long Docker waits before it looks for the first time.
        let first =
            time(own.and_then(|check| check.start_interval.as_ref()), theirs.and_then(|check| check.start_interval), 0);
        let retries = match (own.and_then(|check| check.retries.as_ref()), theirs.and_then(|check| check.retries)) {
            (Some(retries), _) => Node::new(retries.value.max(1), retries.spot),
            (None, Some(retries)) => Node::new(i64::from(retries).max(1), from_image()),
            (None, None) => Node::new(3_i64, Sources::NONE),
        };
        let whole = |(time, spot): (Duration, Spot), least: i64| Node::new(seconds(time).max(least), spot);
        let fine = [&interval, &timeout, &start].into_iter().find(|(time, _)| time.subsec_nanos() > 0).copied();
        if let Some((_, spot)) = fine {
            let words = format!("times of the health check of `{name}` are whole seconds there");
            self.find(
                &codes::APPROXIMATED,
                words,
                spot,
                &format!("services.{name}.healthcheck"),
                "write whole seconds",
            );
        }
        let from = test.line.from;
        let check = some_map(
            vec![
                ("protocol", Some(Node { value: "COMMAND".into(), from })),
                ("command", Some(map(vec![("value", test.line)], from))),
                ("intervalSeconds", Some(whole(interval, 1))),
                ("timeoutSeconds", Some(whole(timeout, 1))),
                ("maxConsecutiveFailures", Some(retries)),
                ("gracePeriodSeconds", Some(whole(start, 0))),
                ("delaySeconds", Some(whole(first, 0))),
            ],
            from,
        );
        some_list(check.into_iter().collect())
    }

    fn of_image(&self, image: &PinnedImage) -> Spot {
        self.project.origins.add(Source::Image { reference: image.written.clone(), field: "Healthcheck" })
    }

    /// What a service is checked with, as one line of a shell.
    fn test(&self, service: &Service, image: &PinnedImage) -> Option<Test> {
        let own = service.healthcheck.as_ref().map(|check| &check.value);
        if own.is_some_and(|check| check.disable.as_ref().is_some_and(|flag| flag.value)) {
            return None;
        }
        let theirs = image.configuration.as_ref().and_then(|configuration| configuration.healthcheck.as_ref());
        let words: Vec<(Text, Sources)> = match (own.and_then(|check| check.test.as_ref()), theirs) {
            (Some(test), _) => test.value.iter().map(|word| (word.value.clone(), self.from(word))).collect(),
            (None, Some(check)) => {
                let from = self.of_image(image).into();
                check.test.iter().map(|word| (Text::from(&**word), from)).collect()
            }
            (None, None) => return None,
        };
        let ((first, _), rest) = words.split_first()?;
        let from = self.project.origins.join(words.iter().map(|(_, from)| *from));
        let line = match first.plain() {
            Some("CMD") => shell_line(rest.iter().map(|(word, _)| word)),
            Some("CMD-SHELL") => rest.first()?.0.clone(),
            _ => return None,
        };
        Some(Test { line: Node { value: line.into(), from } })
    }

    /// All places of a health check, where it as a whole says nothing.
    pub(super) fn check_spots(check: &Located<crate::compose::model::Healthcheck>) -> Vec<Spot> {
        let value = &check.value;
        let words = value.test.iter().flat_map(|test| &test.value).map(|word| word.spot);
        let times = [&value.interval, &value.timeout, &value.start_period, &value.start_interval];
        let times = times.into_iter().flatten().map(|time| time.spot);
        let others = [value.disable.as_ref().map(|flag| flag.spot), value.retries.as_ref().map(|count| count.spot)];
        [check.spot].into_iter().chain(words).chain(times).chain(others.into_iter().flatten()).collect()
    }

    /// The checks of the labels `com.microsoft.acs.dcos.marathon.healthcheck…`, with the times that these had: a port, a
    /// page or a command.
    fn labelled(&mut self, name: &str, service: &Service) -> Option<Node> {
        if let Some((key, text)) = setting(service, "healthchecks") {
            let read = text.value.plain().and_then(|text| serde_json::from_str(text).ok());
            if let Some(serde_json::Value::Array(items)) = read {
                let from = self.from(text);
                let items = items.iter().map(|item| placed(crate::platform::decode(item), from));
                return Some(Node { value: Value::List(items.collect()), from });
            }
            let words = format!("the label `{key}` is no list in JSON");
            let at = format!("services.{name}.labels.{key}");
            self.find(&codes::INVALID_NAME, words, text.spot, &at, "write `[{\"protocol\": \"MESOS_HTTP\", …}]`");
        }
        let plain = setting(service, "healthcheck");
        let path = setting(service, "healthcheck.path");
        let index = setting(service, "healthcheck.portindex");
        let command = setting(service, "healthcheck.command");
        let said: Vec<&Located<Text>> =
            [plain, path, index, command].into_iter().flatten().map(|(_, text)| text).collect();
        if said.is_empty() {
            return None;
        }
        let from = self.project.origins.join(said.iter().map(|text| self.from(text)).collect::<Vec<_>>());
        let number = index.and_then(|(_, text)| text.value.plain()?.parse::<i64>().ok()).unwrap_or(0);
        let node = |value: Value| Some(Node { value, from });
        let (protocol, target) = if let Some((_, line)) = command {
            ("COMMAND", ("command", Some(map(vec![("value", self.text(line))], from))))
        } else if path.is_some() || index.is_some() {
            let page = path.map_or_else(|| Node { value: "/".into(), from }, |(_, text)| self.text(text));
            ("MESOS_HTTP", ("path", Some(page)))
        } else {
            ("MESOS_TCP", ("path", None))
        };
        let port = (protocol != "COMMAND").then_some(Node { value: Value::Integer(number), from });
        let check = some_map(
            vec![
                ("protocol", node(protocol.into())),
                target,
                ("portIndex", port),
                ("intervalSeconds", node(Value::Integer(5))),
                ("timeoutSeconds", node(Value::Integer(20))),
                ("maxConsecutiveFailures", node(Value::Integer(3))),
                ("gracePeriodSeconds", node(Value::Integer(300))),
                ("delaySeconds", node(Value::Integer(0))),
            ],
            from,
        );
        some_list(check.into_iter().collect())
    }
}

/// Everything of a value read here is where its text is.
fn placed(mut node: Node, from: Sources) -> Node {
    match &mut node.value {
        Value::List(items) => *items = std::mem::take(items).into_iter().map(|item| placed(item, from)).collect(),
        Value::Map(entries) => {
            *entries = std::mem::take(entries).into_iter().map(|(key, child)| (key, placed(child, from))).collect();
        }
        _ => {}
    }
    node.from = from;
    node
}

/// Words as one line that a shell takes apart again.
pub(super) fn shell_line<'w>(words: impl IntoIterator<Item = &'w Text>) -> Text {
    let mut line = TextBuilder::default();
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            line.push(" ");
        }
        let whole: String = word.pieces().iter().map(|(piece, _)| *piece).collect();
        let safe = !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b));
        if safe {
            line.push_text(word);
            continue;
        }
        line.push("'");
        for (piece, mark) in word.pieces() {
            let piece = piece.replace('\'', "'\\''");
            match mark {
                Some((spot, secret)) => line.push_marked(&piece, spot, secret),
                None => line.push(&piece),
            }
        }
        line.push("'");
    }
    line.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_out_of_a_shell_as_they_went_in() {
        let line = |words: &[&str]| {
            let words: Vec<Text> = words.iter().map(|word| Text::from(*word)).collect();
            shell_line(&words).plain().unwrap_or_default().to_owned()
        };
        assert_eq!(line(&["/shop", "check", "--url=http://a:1/b"]), "/shop check --url=http://a:1/b");
        assert_eq!(line(&["echo", "it's $HOME", ""]), "echo 'it'\\''s $HOME' ''");
    }
}
