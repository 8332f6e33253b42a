//! Block scalars: `|` keeps the lines, `>` folds them.

use super::{Found, Properties, Scanner, Sure, Unsure};

impl Scanner<'_, '_, '_> {
    /// A block scalar, `|` or `>`. Ends at the beginning of the line behind it.
    pub(super) fn block(&mut self, least: usize, properties: Properties) -> Sure<()> {
        let folded = self.byte(self.at) == b'>';
        self.at += 1;
        let chomping = self.byte(self.at);
        if matches!(chomping, b'-' | b'+') {
            self.at += 1;
        }
        while self.byte(self.at) == b' ' {
            self.at += 1;
        }
        if self.byte(self.at) != b'\n' {
            return Err(Unsure);
        }
        self.at += 1;
        let mut text = String::new();
        let mut indent = None;
        let mut start = self.at;
        let mut behind = self.bytes.len();
        // Line ends since the last line that holds something.
        let mut empty = 0;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let blanks = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
            let content = self.at + blanks;
            match self.byte(content) {
                // Lines of blanks that are longer than the others hold something.
                b'\n' if indent.is_some_and(|indent| blanks <= indent) || blanks == 0 => {
                    empty += 1;
                    self.at = content + 1;
                    continue;
                }
                b'\n' | b'\t' => return Err(Unsure),
                0 if blanks > 0 => return Err(Unsure),
                0 => break,
                _ => {}
            }
            let indent = match indent {
                Some(indent) => indent,
                None if blanks < least => return Err(Unsure),
                None => {
                    start = content;
                    *indent.insert(blanks)
                }
            };
            if blanks < indent {
                behind = content;
                break;
            }
            if folded && blanks > indent {
                return Err(Unsure);
            }
            if text.is_empty() || !folded {
                text.extend(std::iter::repeat_n('\n', empty));
            } else if empty == 1 {
                text.push(' ');
            } else {
                text.extend(std::iter::repeat_n('\n', empty - 1));
            }
            let end = self.end_of_line(content);
            if end == self.bytes.len() {
                return Err(Unsure);
            }
            text.push_str(self.slice(self.at + indent, end)?);
            empty = 1;
            self.at = end + 1;
        }
        if indent.is_none() {
            return Err(Unsure);
        }
        match chomping {
            b'-' => {}
            b'+' => text.extend(std::iter::repeat_n('\n', empty)),
            _ => text.push('\n'),
        }
        self.line = self.at;
        let found = Found { text: &text, plain: false, label: properties.label };
        let spot = self.builder.spot(start, behind);
        self.builder.scalar(found, properties.anchor, spot)?;
        // What follows stands at the beginning of a line: blanks and comments may come first.
        self.at -= 1;
        Ok(())
    }
}
