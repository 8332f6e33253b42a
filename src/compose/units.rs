//! Durations, sizes and command lines, as the reference reads and prints them (compose.md, section 4).

use std::time::Duration;

/// A duration in nanoseconds. Units `ns us µs ms s m h d w`, fractions, any order, a sign.
pub fn duration(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Some(0);
    }
    if unsigned.is_empty() {
        return None;
    }
    let mut total = 0_f64;
    let mut rest = unsigned;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        if !number.bytes().any(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: f64 = if let Some(rest) = number.strip_prefix('.') {
            format!("0.{rest}").parse().ok()?
        } else {
            number.parse().ok()?
        };
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            "d" => 8.64e13,
            "w" => 6.048e14,
            _ => return None,
        };
        total += number * scale;
        rest = behind;
    }
    #[allow(clippy::cast_precision_loss, reason = "a bound")]
    if total > i64::MAX as f64 {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "bounded above")]
    let nanoseconds = total.round() as i64;
    Some(if text.starts_with('-') { -nanoseconds } else { nanoseconds })
}

/// As Go prints a `time.Duration`: `1h30m0s`, `1.5s`, `100ms`.
pub fn duration_text(nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let value = nanoseconds.unsigned_abs();
    let fraction = |value: u64, unit: u64| {
        let (whole, part) = (value / unit, value % unit);
        if part == 0 {
            whole.to_string()
        } else {
            let width = unit.to_string().len() - 1;
            format!("{whole}.{}", format!("{part:0width$}").trim_end_matches('0'))
        }
    };
    if value < 1_000 {
        return format!("{sign}{value}ns");
    }
    if value < 1_000_000 {
        return format!("{sign}{}µs", fraction(value, 1_000));
    }
    if value < 1_000_000_000 {
        return format!("{sign}{}ms", fraction(value, 1_000_000));
    }
    let (minutes, seconds) = (value / 60_000_000_000, value % 60_000_000_000);
    let seconds = fraction(seconds, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// The same as a length of time; what is negative is none.
pub fn time(text: &str) -> Option<Duration> {
    duration(text).and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).map(Duration::from_nanos)
}

/// A size in bytes: a number, one blank at most, and `b k m g t p` with `b` or `ib`, powers of 1024.
pub fn size(text: &str) -> Option<i64> {
    // A plain number is exact, and may be negative; all others go through a float.
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if text.starts_with('-') {
        return None;
    }
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
    let (mut number, mut suffix) = text.split_at(end);
    if let Some(rest) = suffix.strip_prefix(' ') {
        suffix = rest;
    }
    if let Some(rest) = number.strip_prefix('+') {
        number = rest;
    }
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') || number == "." {
        return None;
    }
    let value: f64 = format!("0{number}").parse().ok()?;
    let suffix = suffix.to_ascii_lowercase();
    let mut letters = suffix.chars();
    let scale = match letters.next() {
        None => 1.0,
        Some('b') if suffix == "b" => 1.0,
        Some(letter @ ('k' | 'm' | 'g' | 't' | 'p')) => {
            if !matches!(letters.as_str(), "" | "b" | "ib") {
                return None;
            }
            let power = "kmgtp".find(letter).unwrap_or_default() + 1;
            1024_f64.powi(i32::try_from(power).unwrap_or_default())
        }
        Some(_) => return None,
    };
    let bytes = value * scale;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the reference wraps there too")]
    Some(if bytes >= i64::MAX as f64 { i64::MIN } else { bytes as i64 })
}

/// A command line split into words, as the reference does. `None`: a quote is not closed, or it is no
/// command line.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut begun = false;
    let mut quote: Option<char> = None;
    let mut chars = line.chars().peekable();
    let mut dollar = false;
    while let Some(c) = chars.next() {
        let after_dollar = std::mem::replace(&mut dollar, false);
        match (c, quote) {
            ('\\', Some('\'')) => word.push('\\'),
            ('\\', _) => {
                begun = true;
                match chars.next()? {
                    'n' => word.push('\n'),
                    't' => word.push('\t'),
                    other => word.push(other),
                }
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                begun = true;
            }
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            (' ' | '\t' | '\r' | '\n', None) => {
                if begun {
                    out.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            (';' | '&' | '|' | '<' | '>', None) => {
                // `2>file`: the digit in front of the sign goes with it.
                if c == '>' && word.len() == 1 && word.bytes().all(|b| b.is_ascii_digit()) {
                    begun = false;
                }
                break;
            }
            ('(', None) if !after_dollar => return None,
            ('(', None) => {
                // A command substitution is kept as it is up to its end.
                word.push('(');
                let mut depth = 1;
                for inner in chars.by_ref() {
                    word.push(inner);
                    depth += match inner {
                        '(' => 1,
                        ')' => -1,
                        _ => 0,
                    };
                    if depth == 0 {
                        break;
                    }
                }
                if depth > 0 {
                    return None;
                }
            }
            (c, None) => {
                dollar = c == '$';
                begun = true;
                word.push(c);
            }
        }
    }
    if quote.is_some() {
        return None;
    }
    if begun {
        out.push(word);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_in_go() {
        for (text, printed) in [
            ("1h", "1h0m0s"),
            ("1d", "24h0m0s"),
            ("100us", "100µs"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("0", "0s"),
            ("1m1ms", "1m0.001s"),
            ("-2s", "-2s"),
            ("1w", "168h0m0s"),
            ("10ns", "10ns"),
        ] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Some(printed), "{text}");
        }
        for text in ["", "10", "s", "1 s", "1x", "."] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("1k", 1024),
            ("1.5g", 1_610_612_736),
            (".5m", 524_288),
            ("1 g", 1_073_741_824),
            ("1mib", 1_048_576),
            ("64", 64),
            ("-1", -1),
            ("1B", 1),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "1e", "1i", "1  g", " 1", "1,5g", "0x10", "-1k", "k"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn command_lines_split_as_in_the_reference() {
        assert_eq!(words("a 'b c' \"d e\" f\\ g"), Some(vec!["a".into(), "b c".into(), "d e".into(), "f g".into()]));
        assert_eq!(words("a && b"), Some(vec!["a".into()]));
        assert_eq!(words("\"\""), Some(vec![String::new()]));
        assert_eq!(words(""), Some(vec![]));
        assert_eq!(words("'x"), None);
        assert_eq!(words("a (b)"), None);
    }
}
