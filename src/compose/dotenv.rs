//! `.env` files and the files of `env_file` (compose.md, section 6).

use std::collections::HashMap;

use super::{
    codes,
    interpolate::{MOST, Refused, substitute_with},
    request::Files,
    variables::Variables,
};
use crate::{
    diagnostic::Finding,
    value::{FileId, FileRole, Located, Masked, Origins, Spot, Text},
};

/// One assignment. `None`: the name alone, which takes its value from elsewhere.
pub(super) type Assignment = (Box<str>, Located<Option<Text>>);

/// Which file it is.
pub(super) struct Source<'a> {
    /// The absolute path.
    pub(super) path: &'a str,
    /// The path as the user would write it.
    pub(super) shown: &'a str,
    pub(super) role: FileRole,
}

type Lookup<'a> = dyn Fn(&str) -> Option<Located<Text>> + 'a;

/// Reads a file. Values interpolate from `outer` first, then from the lines above, then from `earlier` files.
pub(super) fn read(
    source: &Source<'_>,
    files: &dyn Files,
    origins: &Origins,
    outer: &Lookup<'_>,
    earlier: &Lookup<'_>,
) -> Result<Vec<Assignment>, Finding> {
    let Source { path, shown, role } = *source;
    let bytes = files.read(path).map_err(|error| codes::unreadable(shown, &error))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Finding::new(&codes::ENV_FILE, Masked::words(format!("{shown} is not UTF-8 text")), Spot::NOWHERE)
    })?;
    let text = text.strip_prefix('\u{FEFF}').map_or_else(|| text.clone(), str::to_owned).replace("\r\n", "\n");
    let file = origins.add_file(shown, role, text.as_str());
    let (found, latest) = (Vec::new(), HashMap::new());
    Reader { text: &text, file, origins, outer, earlier, found, latest, size: 0 }.all()
}

struct Reader<'a> {
    text: &'a str,
    file: FileId,
    origins: &'a Origins,
    outer: &'a Lookup<'a>,
    earlier: &'a Lookup<'a>,
    found: Vec<Assignment>,
    /// The place of the latest of each name among them.
    latest: HashMap<&'a str, usize>,
    /// The bytes of all values.
    size: usize,
}

impl<'a> Reader<'a> {
    fn all(mut self) -> Result<Vec<Assignment>, Finding> {
        let mut at = 0;
        while let Some(start) = self.next_statement(at) {
            at = self.statement(start)?;
        }
        Ok(self.found)
    }

    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    /// Passes over blanks and comments.
    fn next_statement(&self, mut at: usize) -> Option<usize> {
        loop {
            let rest = self.rest(at);
            let blank = rest.len() - rest.trim_start().len();
            at += blank;
            let rest = self.rest(at);
            if rest.is_empty() {
                return None;
            }
            if !rest.starts_with('#') {
                return Some(at);
            }
            at += rest.find('\n')?;
        }
    }

    fn refuse(&self, at: usize, words: impl Into<String>) -> Finding {
        let end = self.rest(at).find('\n').map_or(self.text.len(), |end| at + end);
        Finding::new(&codes::ENV_FILE, Masked::words(words), self.origins.in_file(self.file, at..end.max(at)))
            .help("a line is NAME=value, NAME='literal value' or NAME=\"value with ${VARIABLES}\"")
    }

    fn statement(&mut self, start: usize) -> Result<usize, Finding> {
        let mut at = start;
        if let Some(rest) = self.rest(at).strip_prefix("export") {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            if blanks > 0 {
                at += "export".len() + blanks;
            }
        }
        let rest = self.rest(at);
        let mut name_end = None;
        let mut inherited = false;
        for (index, c) in rest.char_indices() {
            match c {
                '=' | ':' => {
                    name_end = Some((index, index + 1));
                    break;
                }
                '\n' => {
                    name_end = Some((index, index + 1));
                    inherited = true;
                    break;
                }
                ' ' | '\t' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{A0}' | '_' | '.' | '-' | '[' | ']' => {}
                c if c.is_alphanumeric() => {}
                _ => return Err(self.refuse(at, "this is not the name of a variable")),
            }
        }
        let Some((end, value_start)) = name_end else {
            // A name without a line end is a value without a name.
            let value = self.text_value(rest.trim_end(), at, at + rest.len())?;
            self.assign("", Some(value), self.spot(at, at + rest.len()))?;
            return Ok(self.text.len());
        };
        let name = rest.get(..end).unwrap_or_default().trim_end();
        if name.contains(char::is_whitespace) {
            return Err(self.refuse(at, "the name of a variable has no blank in it"));
        }
        if inherited {
            let spot = self.spot(at, at + name.len());
            self.assign(name, None, spot)?;
            return Ok(at + value_start);
        }
        let mut value_at = at + value_start;
        let after = self.rest(value_at);
        value_at += after.len() - after.trim_start_matches([' ', '\t', '\u{b}', '\u{c}', '\r']).len();
        let (value, end) = self.value(value_at)?;
        let spot = self.spot(at, end.min(self.text.len()));
        self.assign(name, Some(value), spot)?;
        Ok(end)
    }

    fn assign(&mut self, name: &'a str, value: Option<Text>, spot: Spot) -> Result<(), Finding> {
        self.size += value.as_ref().map_or(0, Text::size);
        if self.size > MOST {
            return Err(too_long(spot));
        }
        self.latest.insert(name, self.found.len());
        self.found.push((name.into(), Located::new(value, spot)));
        Ok(())
    }

    fn spot(&self, start: usize, end: usize) -> Spot {
        self.origins.in_file(self.file, start..end.max(start))
    }

    fn value(&self, at: usize) -> Result<(Text, usize), Finding> {
        let rest = self.rest(at);
        let quote = rest.chars().next().filter(|c| *c == '\'' || *c == '"');
        let Some(quote) = quote else {
            let line_end = rest.find('\n').unwrap_or(rest.len());
            let line = rest.get(..line_end).unwrap_or_default();
            // A comment begins with a blank before it, or where the value would.
            let comment = line
                .char_indices()
                .find(|(index, c)| {
                    *c == '#'
                        && (*index == 0
                            || line.get(..*index).is_some_and(|before| before.ends_with(char::is_whitespace)))
                })
                .map_or(line.len(), |(index, _)| index);
            let value = line.get(..comment).unwrap_or_default().trim_end();
            return Ok((self.text_value(value, at, at + value.len())?, at + line_end));
        };
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            if c == quote && !escaped {
                let inside = rest.get(1..index).unwrap_or_default();
                let end = at + index + 1;
                if quote == '\'' {
                    return Ok((Text::new(inside.replace("\\'", "'")), end));
                }
                return Ok((self.text_value(&unescape(inside), at, end)?, end));
            }
            escaped = c == '\\' && !escaped;
        }
        Err(self.refuse(at, "the quote of this value is never closed"))
    }

    fn text_value(&self, template: &str, start: usize, end: usize) -> Result<Text, Finding> {
        let lookup = |name: &str| {
            let above = || {
                let (_, found) = self.found.get(*self.latest.get(name)?)?;
                found.value.clone().map(|text| Located::new(text, found.spot))
            };
            (self.outer)(name).or_else(above).or_else(|| (self.earlier)(name))
        };
        substitute_with(template, &lookup, &mut |_| {}).map_err(|refused| match refused {
            Refused::TooLong => too_long(self.spot(start, end)),
            _ => Finding::new(&codes::ENV_FILE, "this is not a form of `${…}`".into(), self.spot(start, end))
                .help("write the value in single quotes to take it as it is"),
        })
    }
}

fn too_long(spot: Spot) -> Finding {
    Finding::new(&codes::ENV_FILE, "the variables unfold to too much here".into(), spot)
        .help("use fewer variables that are made of variables")
}

/// The escapes of double quotes. `\$` becomes `$$`, so that interpolation gives a dollar sign.
fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some((_, next)) = chars.next() else {
            out.push('\\');
            break;
        };
        match next {
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'c' => out.push_str("\\c"),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '\\' => out.push('\\'),
            '"' => out.push('"'),
            '$' => out.push_str("$$"),
            '0' => {
                let digits: String = inside
                    .get(index + 2..)
                    .unwrap_or_default()
                    .chars()
                    .take(3)
                    .take_while(|c| ('0'..='7').contains(c))
                    .collect();
                match u8::from_str_radix(&digits, 8) {
                    Ok(byte) => {
                        out.push(char::from(byte));
                        for _ in 0..digits.len() {
                            chars.next();
                        }
                    }
                    Err(_) => out.push_str("\\0"),
                }
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}

/// `format: raw`: `NAME=VALUE`, byte for byte.
pub(super) fn read_raw(
    path: &str,
    shown: &str,
    files: &dyn Files,
    variables: &Variables,
) -> Result<Vec<Assignment>, Finding> {
    let bytes = files.read(path).map_err(|error| codes::unreadable(shown, &error))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let file = variables.origins.add_file(shown, FileRole::EnvFile, text);
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches('\n').trim_end_matches('\r').trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let spot = variables.origins.in_file(file, start..at);
        let (name, value) = line.split_once('=').map_or((line, None), |(name, value)| (name, Some(value)));
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(Finding::new(
                &codes::ENV_FILE,
                "the name of a variable is not empty and has no blank in it".into(),
                spot,
            )
            .help("a line is NAME=value; nothing is left out of the value here"));
        }
        found.push((name.into(), Located::new(value.map(Text::from), spot)));
    }
    Ok(found)
}
