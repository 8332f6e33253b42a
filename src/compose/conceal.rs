//! What is secret by where it stands: the contents of `secrets`, and values whose names say so.

use crate::value::{Secrets, Spot, Text, TextBuilder};

/// Most names hold none of these, in any case.
const PARTS: &[&[u8]] = &[b"PASS", b"SECRET", b"TOKEN", b"CREDENTIAL", b"PWD", b"KEY"];

/// For every byte, the parts that may begin with it, and four bits above those that may have it in the second place:
/// they begin with `PA` or `PW`, `SE` or `KE`, `TO`, and `CR`.
static PAIRED: [u8; 256] = {
    const PLACES: [(u8, u8); 10] = [
        (b'P', 1),
        (b'A', 1 << 4),
        (b'W', 1 << 4),
        (b'S', 2),
        (b'K', 2),
        (b'E', 2 << 4),
        (b'T', 4),
        (b'O', 4 << 4),
        (b'C', 8),
        (b'R', 8 << 4),
    ];
    let mut places = [0; 256];
    let mut index = 0;
    while index < PLACES.len() {
        let (letter, place) = PLACES[index];
        places[letter as usize] |= place;
        places[letter.to_ascii_lowercase() as usize] |= place;
        index += 1;
    }
    places
};

/// Whether a name says that its value is a secret: `DB_PASSWORD`, `API_TOKEN`, `client-secret`, but not
/// `DB_PASSWORD_FILE`, which names where one is, nor `TOKEN_TTL`, which is about one.
pub fn name_says_so(name: &str) -> bool {
    const WORDS: &[&str] = &["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS", "PWD"];
    const PAIRS: &[(&str, &str)] = &[
        ("PRIVATE", "KEY"),
        ("API", "KEY"),
        ("ACCESS", "KEY"),
        ("SECRET", "KEY"),
        ("ENCRYPTION", "KEY"),
        ("SIGNING", "KEY"),
    ];
    if name == "PWD" || name == "OLDPWD" {
        return false;
    }
    let begins = |rest: &[u8]| {
        PARTS.iter().any(|part| rest.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part)))
    };
    let bytes = name.as_bytes();
    let place = |byte: &u8| PAIRED.get(usize::from(*byte)).copied().unwrap_or_default();
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    let mut likely = pairs.enumerate().filter(|(_, (first, second))| place(first) & place(second) >> 4 != 0);
    if !likely.any(|(at, _)| bytes.get(at..).is_some_and(begins)) {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let Some(last) = words.last() else { return false };
    if WORDS.contains(last) || last.ends_with("PASSWORD") || last.ends_with("APIKEY") {
        return true;
    }
    // A number or a base may follow: `PASSWORD_1`, `SECRET_KEY_BASE`, `TOKEN_BASE64`.
    let trailing =
        |word: &&str| word.bytes().all(|b| b.is_ascii_digit()) || ["BASE", "BASE64", "HASH", "VALUE"].contains(word);
    let core: &[&str] =
        if words.len() > 1 && trailing(last) { words.get(..words.len() - 1).unwrap_or_default() } else { &words };
    core.last().is_some_and(|word| WORDS.contains(word))
        || core.windows(2).last().is_some_and(|pair| PAIRS.iter().any(|(a, b)| pair == [*a, *b]))
}

/// Conceals the password of `scheme://user:password@host` inside a text; `None` when there is none to conceal.
pub fn credentials_in_url(text: &Text, name: &str, spot: Spot, secrets: &Secrets) -> Option<Text> {
    let raw = text.raw();
    let range = password_range(raw)?;
    if text.is_secret() {
        return None;
    }
    let id = secrets.conceal(raw.get(range.clone()).unwrap_or_default().as_bytes(), name, spot.into());
    let mut builder = TextBuilder::default();
    builder.push_part(text, 0..range.start);
    builder.push_marked(raw.get(range.clone()).unwrap_or_default(), spot, Some(id));
    builder.push_part(text, range.end..raw.len());
    Some(builder.finish())
}

fn password_range(raw: &str) -> Option<std::ops::Range<usize>> {
    // Most values hold none, and are not searched for more.
    if !raw.as_bytes().contains(&b'@') {
        return None;
    }
    let authority = raw.find("://")? + 3;
    let scheme = raw.get(..authority - 3)?;
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return None;
    }
    let rest = raw.get(authority..)?;
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    let at = rest.get(..end)?.rfind('@')?;
    let colon = rest.get(..at)?.find(':')?;
    (colon + 1 < at).then_some(authority + colon + 1..authority + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_so() {
        for name in [
            "DB_PASSWORD",
            "POSTGRES_PASSWORD",
            "apiToken_token",
            "API_KEY",
            "client-secret",
            "SECRET_KEY_BASE",
            "AWS_SECRET_ACCESS_KEY",
            "DBPASSWORD",
            "PASSWORD_1",
        ] {
            assert!(name_says_so(name), "{name}");
        }
        for name in ["DB_PASSWORD_FILE", "PWD", "TOKEN_TTL", "KEY", "PUBLIC_KEY", "SECRETARY", "PASSWORD_RESET_URL", ""]
        {
            assert!(!name_says_so(name), "{name}");
        }
    }

    #[test]
    fn only_the_password_of_a_url_is_concealed() {
        let secrets = Secrets::default();
        let url = Text::from("postgres://u:p:w@db:5432/x?a@b");
        let text = credentials_in_url(&url, "URL", Spot::NOWHERE, &secrets).unwrap_or_default();
        assert_eq!(text.masked().as_str(), "postgres://u:‹secret #1›@db:5432/x?a@b");
        for plain in ["http://example.com/a:b@c", "mailto:a@b", "x"] {
            assert!(credentials_in_url(&Text::from(plain), "X", Spot::NOWHERE, &secrets).is_none(), "{plain}");
        }
    }
}
