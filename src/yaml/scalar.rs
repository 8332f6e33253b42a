//! What a plain scalar means: the rules of the YAML reader that Docker Compose is built with, which are
//! neither those of YAML 1.1 nor of 1.2 (compose.md, section 4).

use super::Scalar;
use crate::value::Text;

/// What a plain scalar means.
pub fn resolve(plain: &str) -> Scalar {
    let first = plain.as_bytes().first().copied().unwrap_or_default();
    if !(first.is_ascii_digit() || b"+-.".contains(&first)) {
        return word(plain).unwrap_or_else(|| Scalar::Text(Text::new(plain)));
    }
    match plain {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        "-0" => return Scalar::Float(-0.0),
        _ => {}
    }
    number(plain, first).or_else(|| timestamp(plain)).unwrap_or_else(|| Scalar::Text(Text::new(plain)))
}

/// Whether a plain scalar is a string.
pub(super) fn is_text(plain: &str) -> bool {
    match plain.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => matches!(resolve(plain), Scalar::Text(_)),
        _ => word(plain).is_none(),
    }
}

/// The words that are no strings.
fn word(plain: &str) -> Option<Scalar> {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        "true" | "True" | "TRUE" => Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => Some(Scalar::Bool(false)),
        _ => None,
    }
}

fn number(plain: &str, first: u8) -> Option<Scalar> {
    let stripped: std::borrow::Cow<'_, str> =
        if plain.contains('_') { plain.replace('_', "").into() } else { plain.into() };
    if first != b'.'
        && let Some(integer) = integer(&stripped)
    {
        return Some(integer);
    }
    looks_like_float(&stripped).then(|| stripped.parse().ok().map(Scalar::Float)).flatten()
}

/// Go's `ParseInt(text, 0, 64)`: a leading `0` is octal, `0x`, `0b`, `0o` say their base.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match lower.as_deref() {
        Some("0x") => (16, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(base)) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    if negative {
        let value = i128::from(value);
        return i64::try_from(-value).ok().map(Scalar::Integer);
    }
    Some(i64::try_from(value).map_or(Scalar::Unsigned(value), Scalar::Integer))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(rest);
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        if whole == 0 && count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    } else if whole == 0 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// `2006-1-2`, `2006-1-2 15:4:5.999`, `2006-1-2T15:4:5.999Z`, with an offset.
fn timestamp(plain: &str) -> Option<Scalar> {
    let mut rest = plain;
    let year = take_digits(&mut rest, 4, 4)?;
    let month = {
        rest = rest.strip_prefix('-')?;
        take_digits(&mut rest, 1, 2)?
    };
    let day = {
        rest = rest.strip_prefix('-')?;
        take_digits(&mut rest, 1, 2)?
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(Scalar::Timestamp {
            text: format!("{date} 00:00:00 +0000 UTC").into(),
            standard: format!("{date}T00:00:00Z").into(),
        });
    }
    let zoned = rest.starts_with(['T', 't']);
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = take_digits(&mut rest, 1, 2).filter(|hour| *hour < 24)?;
    let minute = {
        rest = rest.strip_prefix(':')?;
        take_digits(&mut rest, 1, 2).filter(|m| *m < 60)?
    };
    let second = {
        rest = rest.strip_prefix(':')?;
        take_digits(&mut rest, 1, 2).filter(|s| *s < 60)?
    };
    let mut fraction = String::new();
    if let Some(after) = rest.strip_prefix('.') {
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 || count > 9 {
            return None;
        }
        let digits = after.get(..count)?.trim_end_matches('0');
        if !digits.is_empty() {
            fraction = format!(".{digits}");
        }
        rest = after.get(count..)?;
    }
    let time = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    let (text_zone, standard_zone) = if zoned {
        zone(rest)?
    } else if rest.is_empty() {
        ("+0000 UTC".to_owned(), "Z".to_owned())
    } else {
        return None;
    };
    Some(Scalar::Timestamp {
        text: format!("{date} {time} {text_zone}").into(),
        standard: format!("{date}T{time}{standard_zone}").into(),
    })
}

fn zone(rest: &str) -> Option<(String, String)> {
    if rest == "Z" {
        return Some(("+0000 UTC".to_owned(), "Z".to_owned()));
    }
    let sign = rest.get(..1).filter(|sign| ["+", "-"].contains(sign))?;
    let (hours, minutes) = rest.get(1..)?.split_once(':')?;
    let numeric = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !numeric(hours) || !numeric(minutes) {
        return None;
    }
    if hours == "00" && minutes == "00" {
        return Some(("+0000 +0000".to_owned(), "Z".to_owned()));
    }
    Some((format!("{sign}{hours}{minutes} {sign}{hours}{minutes}"), format!("{sign}{hours}:{minutes}")))
}

fn take_digits(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let number = rest.get(..count)?.parse().ok()?;
    *rest = rest.get(count..)?;
    Some(number)
}

/// A number as Go's `%v` prints it: the shortest digits that read back, with an exponent below -4 and from 6 on.
pub fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    // Rust's `{:e}` gives the shortest digits that read back, as Go's 'g' with precision -1.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(plain: &str) -> String {
        match resolve(plain) {
            Scalar::Null => "null".into(),
            Scalar::Bool(value) => format!("bool {value}"),
            Scalar::Integer(value) => format!("int {value}"),
            Scalar::Unsigned(value) => format!("uint {value}"),
            Scalar::Float(value) => format!("float {}", go_float(value)),
            Scalar::Timestamp { text, .. } => format!("time {text}"),
            Scalar::Text(text) => format!("text {}", text.raw()),
            _ => "?".into(),
        }
    }

    #[test]
    fn scalars_mean_what_the_reference_reads() {
        for (plain, meant) in [
            ("1", "int 1"),
            ("+1", "int 1"),
            ("-0", "float -0"),
            ("01", "int 1"),
            ("010", "int 8"),
            ("0440", "int 288"),
            ("0o17", "int 15"),
            ("0x1F", "int 31"),
            ("0b11", "int 3"),
            ("08", "float 8"),
            ("1_000", "int 1000"),
            ("1_", "int 1"),
            ("1.0", "float 1"),
            ("1.", "float 1"),
            (".5", "float 0.5"),
            ("1e3", "float 1000"),
            ("1e6", "float 1e+06"),
            ("1234567.5", "float 1.2345675e+06"),
            ("1e-5", "float 1e-05"),
            ("0.0001", "float 0.0001"),
            ("18446744073709551615", "uint 18446744073709551615"),
            ("18446744073709551616", "float 1.8446744073709552e+19"),
            ("yes", "text yes"),
            ("on", "text on"),
            ("12:30:45", "text 12:30:45"),
            ("22:22", "text 22:22"),
            ("0x", "text 0x"),
            ("0o8", "text 0o8"),
            ("1e", "text 1e"),
            ("0.0.0.0", "text 0.0.0.0"),
            ("1.2.3", "text 1.2.3"),
            ("-", "text -"),
            (".", "text ."),
            ("True", "bool true"),
            ("~", "null"),
            ("2020-01-01", "time 2020-01-01 00:00:00 +0000 UTC"),
            ("2020-01-01T10:00:00+02:00", "time 2020-01-01 10:00:00 +0200 +0200"),
            ("2020-13-01", "text 2020-13-01"),
        ] {
            assert_eq!(text(plain), meant, "{plain}");
        }
    }
}
