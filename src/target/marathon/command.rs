//! `entrypoint` and `command`.

use super::{checks::shell_line, parameters::parameter, translate::Translator};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::codes,
    value::{Located, Node, Source, Sources, Text},
};

/// What a container runs.
#[derive(Debug, Default)]
pub(super) struct Command {
    /// `cmd`, which a shell takes apart.
    pub(super) line: Option<Node>,
    /// `args`.
    pub(super) arguments: Option<Node>,
    /// `entrypoint` as the engine of Docker takes it.
    pub(super) parameters: Vec<Node>,
}

impl Translator<'_> {
    pub(super) fn command(&mut self, name: &str, service: &Service, image: &PinnedImage) -> Command {
        let words = |list: &Located<Vec<Located<Text>>>| -> Vec<Node> {
            list.value.iter().map(|word| self.text(word)).collect()
        };
        let from_image = |field: &'static str| {
            Sources::from(self.project.origins.add(Source::Image { reference: image.written.clone(), field }))
        };
        let theirs = |field: &'static str| -> Vec<Node> {
            let words = image
                .configuration
                .as_ref()
                .map(|known| if field == "Cmd" { &known.command } else { &known.entrypoint });
            words.into_iter().flatten().map(|word| Node { value: (&**word).into(), from: from_image(field) }).collect()
        };
        let own = service.command.as_ref().filter(|command| !command.value.is_empty());
        let arguments = own.map(words);
        let mut out = Command::default();
        let Some(entrypoint) = &service.entrypoint else {
            out.arguments = arguments.map(|words| Node::new(words, own.map(|own| own.spot).unwrap_or_default()));
            return out;
        };
        // An entrypoint of one's own takes the image's command away; one that is cleared leaves it.
        let rest = match (arguments, entrypoint.value.is_empty()) {
            (Some(words), _) => words,
            (None, true) => theirs("Cmd"),
            (None, false) => Vec::new(),
        };
        if self.is_docker() {
            let (first, more) = match entrypoint.value.split_first() {
                Some((first, more)) => (self.text(first), more.iter().map(|word| self.text(word)).collect()),
                None => (Node::new("", entrypoint.spot), Vec::new()),
            };
            out.parameters.push(parameter("entrypoint", first));
            let all: Vec<Node> = more.into_iter().chain(rest).collect();
            out.arguments = (!all.is_empty()).then(|| Node::new(all, entrypoint.spot));
            return out;
        }
        let all: Vec<Node> = words(entrypoint).into_iter().chain(rest).collect();
        let texts = all.iter().filter_map(|node| match &node.value {
            crate::value::Value::Text(text) => Some(text),
            _ => None,
        });
        let line = shell_line(texts);
        let from = self.project.origins.join(all.iter().map(|node| node.from).chain([entrypoint.spot.into()]));
        out.line = (!line.is_empty()).then(|| Node { value: line.into(), from });
        let words = format!("the entrypoint of `{name}` is run by a shell of the image");
        let at = format!("services.{name}.entrypoint");
        self.find(&codes::APPROXIMATED, words, entrypoint.spot, &at, "set it in the image, or set `container: docker`");
        out
    }
}
