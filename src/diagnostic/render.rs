//! Findings as people read them: the line that shows it, over all files it takes.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use super::{Finding, Findings, Severity};
use crate::{
    compose::name_says_so,
    value::{FileRole, Origins, Secrets, Spot},
};

/// How findings are written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// With the colours of a terminal.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// The least severity that is shown.
    pub least: Severity,
}

/// Findings, one after the other, each with its excerpts.
pub fn render(findings: &Findings, origins: &Origins, secrets: &Secrets, style: Style) -> String {
    let mut out = String::new();
    for finding in findings.iter().filter(|finding| finding.severity >= style.least) {
        out.push_str(&render_one(finding, origins, secrets, style));
        out.push_str("\n\n");
    }
    out
}

fn render_one(finding: &Finding, origins: &Origins, secrets: &Secrets, style: Style) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(clean(finding.message.as_str())).id(finding.code.name);
    let mut group = title.elements(Vec::<Element<'_>>::new());
    let mut notes = Vec::new();
    let placed = finding.labels.iter().any(|label| origins.place(label.spot).is_some());
    for (index, label) in finding.labels.iter().enumerate() {
        let text = clean(label.text.as_str());
        if let Some(place) = origins.place(label.spot) {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            if let Some(excerpt) = excerpt(label.spot, origins, secrets) {
                let mut annotation = kind.span(excerpt.span);
                if !text.is_empty() {
                    annotation = annotation.label(text);
                }
                let snippet = Snippet::<Annotation<'_>>::source(excerpt.text)
                    .line_start(excerpt.line)
                    .path(place.path.to_string())
                    .annotation(annotation);
                group = group.element(snippet);
            } else {
                let origin =
                    Origin::path(place.path.to_string()).line(place.line as usize).char_column(place.column as usize);
                group = group.element(origin);
            }
        } else if let Some(words) = origins.describe(label.spot) {
            notes.push(if text.is_empty() { words } else { format!("{words}: {text}") });
        }
        for words in lineage(label.spot, origins) {
            if !notes.contains(&words) {
                notes.push(words);
            }
        }
    }
    for note in notes {
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(clean(help.as_str())));
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let text = renderer.term_width(style.width).render(&[group]);
    if placed { text } else { text.lines().filter(|line| *line != " |").collect::<Vec<_>>().join("\n") }
}

/// What interpolation put into the value, and where that came from.
fn lineage(spot: Spot, origins: &Origins) -> Vec<String> {
    let Some(origin) = origins.origin(spot) else { return Vec::new() };
    let through = origins.spots(origin.made_of);
    through
        .into_iter()
        .filter(|other| *other != spot)
        .filter_map(|other| origins.describe(other))
        .map(|words| format!("its value comes from {words}"))
        .collect()
}

struct Excerpt {
    text: String,
    span: Range<usize>,
    line: usize,
}

/// The lines of a spot; none where one of them could show a secret.
fn excerpt(spot: Spot, origins: &Origins, secrets: &Secrets) -> Option<Excerpt> {
    let place = origins.place(spot)?;
    if matches!(origins.role(place.file)?, FileRole::DotEnv | FileRole::EnvFile | FileRole::Content) {
        return None;
    }
    let (_, text) = origins.file(place.file)?;
    let start = (place.span.start as usize).min(text.len());
    let end = (place.span.end as usize).clamp(start, text.len());
    let begin = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let first_end = text.get(start..)?.find('\n').map_or(text.len(), |at| start + at);
    // A value of many lines is shown by its first.
    let end = end.min(first_end).max(start);
    let line = text.get(begin..first_end)?.trim_end_matches('\r');
    if could_show_a_secret(line, secrets) {
        return None;
    }
    let end = end.min(begin + line.len()).max(start.min(begin + line.len()));
    let start = start.min(end);
    // The excerpt is cut between characters, whatever the place says.
    let end = (end..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    Some(Excerpt { text: line.replace('\t', " "), span: start - begin..end - begin, line: place.line as usize })
}

fn could_show_a_secret(line: &str, secrets: &Secrets) -> bool {
    if secrets.scrub(line).as_str() != line {
        return true;
    }
    // A literal beside a name that says so, before anything has been loaded that would know it.
    line.match_indices([':', '=']).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
        let name_start =
            before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).map_or(0, |at| at + 1);
        let value = line.get(at + 1..).unwrap_or_default().trim();
        name_says_so(before.get(name_start..).unwrap_or_default()) && !value.is_empty() && !value.starts_with('$')
    })
}

/// Control characters of what somebody wrote must not reach a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Code, value::Masked};

    static CODE: Code = Code { name: "wrong", severity: Severity::Error, title: "", explain: "" };
    const STYLE: Style = Style { color: false, width: 100, least: Severity::Info };

    #[test]
    fn a_finding_shows_its_line_and_the_way_out() {
        let origins = Origins::new();
        let file = origins.add_file("compose.yaml", FileRole::Compose, "services:\n  web:\n    imgae: nginx\n");
        let finding = Finding::new(&CODE, Masked::words("unknown key `imgae`"), origins.in_file(file, 21..26))
            .help("did you mean `image`?");
        let text = render(&finding.into(), &origins, &Secrets::default(), STYLE);
        snapbox::assert_data_eq!(
            text,
            snapbox::str![[r"
error[wrong]: unknown key `imgae`
 --> compose.yaml:3:5
  |
3 |     imgae: nginx
  |     ^^^^^
  |
  = help: did you mean `image`?


"]]
        );
    }

    #[test]
    fn no_excerpt_shows_a_secret() {
        let origins = Origins::new();
        let text = "services:\n  web:\n    environment: {DB_PASSWORD: hunter2}\n    x: opensesame\n";
        let file = origins.add_file("compose.yaml", FileRole::Compose, text);
        let secrets = Secrets::default();
        secrets.conceal(b"opensesame", "x", crate::value::Sources::NONE);
        for at in [24, 62] {
            let finding = Finding::new(&CODE, "odd".into(), origins.in_file(file, at..at + 3));
            let text = render(&finding.into(), &origins, &secrets, STYLE);
            assert!(!text.contains("hunter2") && !text.contains("opensesame"), "{text}");
            assert!(text.contains("--> compose.yaml:"), "{text}");
        }
    }
}
