//! What registries tell beside their answers: warnings, and how many requests they still take.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use reqwest::{
    Url,
    header::{self, HeaderMap, HeaderValue},
};

use super::{
    Registries,
    transport::{Answer, Question},
    trouble::seconds,
};

/// How many warnings of one registry are kept, and how many characters of each.
const MOST: usize = 8;
const LONGEST: usize = 400;

/// What one registry has told in this run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Its name, as references write it.
    pub registry: String,
    /// Its warnings, each once, in its own words: to be searched for secrets before they are shown.
    pub warnings: Vec<String>,
    /// How many requests it takes.
    pub quota: Option<Quota>,
}

/// How many requests a registry takes in a while. `Display`: `76 of 100`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// How many are left.
    pub remaining: u64,
    /// How many there are in all.
    pub limit: u64,
    /// In which time.
    pub window: Option<Duration>,
}

impl Quota {
    /// `RateLimit-Remaining: 76;w=21600`, as Docker Hub says it of requests of every kind.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        Self::read(&answer.headers)
    }

    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |text: &str| text.split(';').next().unwrap_or_default().trim().parse::<u64>().ok();
        let limit = text("ratelimit-limit")?;
        let window = limit.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
        Some(Self {
            remaining: number(text("ratelimit-remaining")?)?,
            limit: number(limit)?,
            window: window.map(Duration::from_secs),
        })
    }

    /// Whether hardly any are left.
    pub const fn is_low(&self) -> bool {
        self.remaining.saturating_mul(10) <= self.limit
    }

    /// In which time, as ` in 6h`.
    pub fn within(&self) -> String {
        self.window.map(|window| format!(" in {}", seconds(window))).unwrap_or_default()
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.remaining, self.limit)
    }
}

/// What one server has told so far.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    warnings: Vec<String>,
    quota: Option<Quota>,
}

impl Notices {
    /// Takes down what stands above the answer to a question.
    pub(super) fn take(&self, headers: &HeaderMap, question: &Question) {
        let lines = headers.get_all(header::WARNING);
        let warnings: Vec<String> = lines.iter().filter_map(warning).filter(|text| !repeats(text, question)).collect();
        let quota = Quota::read(headers);
        if warnings.is_empty() && quota.is_none() {
            return;
        }
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if told.warnings.len() < MOST && !told.warnings.contains(&warning) {
                told.warnings.push(warning);
            }
        }
        // Answers overtake each other: the lowest is the last.
        told.quota = match (told.quota, quota) {
            (Some(known), Some(new)) if known.limit == new.limit && known.remaining < new.remaining => Some(known),
            (known, new) => new.or(known),
        };
    }
}

impl Registries {
    /// What the registries of this run have told beside their answers, by their names.
    pub fn notices(&self) -> Vec<Notice> {
        let hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut notices: Vec<Notice> = hosts
            .values()
            .filter_map(|host| {
                let told = host.server.notices.0.lock().unwrap_or_else(PoisonError::into_inner);
                let (registry, warnings, quota) = (host.server.name.clone(), told.warnings.clone(), told.quota);
                (!warnings.is_empty() || quota.is_some()).then_some(Notice { registry, warnings, quota })
            })
            .collect();
        notices.sort_by(|a, b| a.registry.cmp(&b.registry));
        notices
    }
}

/// `299 - "text"`, the one kind that registries send; without characters that do something on a terminal.
fn warning(value: &HeaderValue) -> Option<String> {
    let line = std::str::from_utf8(value.as_bytes()).ok()?;
    let quoted = line.trim().strip_prefix("299 - \"")?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    let plain = |c: &char| {
        !c.is_control() && !matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    let text: String = text.chars().filter(plain).take(LONGEST).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a text repeats what the server was shown.
fn repeats(text: &str, question: &Question) -> bool {
    let form =
        question.content.as_ref().and_then(|content| std::str::from_utf8(&content.bytes).ok()).unwrap_or_default();
    let token = Url::parse(&format!("form:?{form}")).ok().and_then(|form| {
        form.query_pairs().find(|(name, _)| name == "refresh_token").map(|(_, token)| token.into_owned())
    });
    if token.is_some_and(|token| text.contains(&token)) {
        return true;
    }
    let shown = question.authorization.as_ref().and_then(|shown| shown.to_str().ok());
    let Some((_, proof)) = shown.and_then(|shown| shown.split_once(' ')) else { return false };
    let decoded = base64::engine::general_purpose::STANDARD.decode(proof).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let password = decoded.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty());
    text.contains(proof) || password.is_some_and(|password| text.contains(password))
}

#[cfg(test)]
mod tests {
    use super::{super::transport::Content, *};

    #[test]
    fn nothing_that_was_shown_is_told_again() {
        let Ok(url) = Url::parse("https://registry.example.com/token") else { panic!("no address") };
        let plain = Question::plain(reqwest::Method::POST, url, None, None, 0);
        let basic =
            Question { authorization: Some(HeaderValue::from_static("Basic bWU6cGFzcy13b3Jk")), ..plain.clone() };
        let bearer = Question { authorization: Some(HeaderValue::from_static("Bearer long-token")), ..plain.clone() };
        let bytes = b"grant_type=refresh_token&refresh_token=own%2Ftoken".to_vec();
        let content = Some(Content { media_type: "application/x-www-form-urlencoded".to_owned(), bytes });
        let form = Question { content, ..plain.clone() };
        for (text, question, expected) in [
            ("you are me", &basic, false),
            ("you said pass-word", &basic, true),
            ("you said bWU6cGFzcy13b3Jk", &basic, true),
            ("you said long-token", &bearer, true),
            ("you said own/token", &form, true),
            ("you said nothing", &form, false),
            ("you said long-token", &plain, false),
        ] {
            assert_eq!(repeats(text, question), expected, "{text}");
        }
    }

    #[test]
    fn warnings_are_text_and_nothing_else() {
        for (line, expected) in [
            ("299 - \"end of life\"", Some("end of life")),
            ("299 - \"say \\\"no\\\"\"", Some("say \"no\"")),
            ("299 - \"say \u{1b}[31mred\u{202e}\"", Some("say [31mred")),
            ("299 - \"never closed", None),
            ("299 - \"\"", None),
            ("199 - \"not ours\"", None),
            ("299 registry \"not ours\"", None),
        ] {
            let value = HeaderValue::from_bytes(line.replace('\u{1b}', "\t").as_bytes());
            let found = value.ok().as_ref().and_then(warning);
            assert_eq!(found.as_deref(), expected, "{line:?}");
        }
    }
}
