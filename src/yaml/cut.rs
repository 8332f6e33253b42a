//! A large file in two parts, which two processors read: the first services and what is in front of them, and the last
//! services and what is behind them.

use std::sync::Arc;

use super::{
    build::{Builder, Document},
    parse::Unread,
    quick,
};
use crate::{
    beside::beside,
    diagnostic::Findings,
    value::{Batch, FileRole, Origins},
};

/// From so many bytes on, reading them on another processor pays.
const LARGE: usize = 1 << 16;

/// Where a text is cut in two, to be read by two readers: in front of one of its services.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Where `services` stands.
    pub(super) services: usize,
    /// Where the line begins that is cut off.
    pub(super) line: usize,
    /// Where the name of the service begins in it.
    pub(super) name: usize,
}

/// The key that is cut in.
const SERVICES: &str = "services:\n";

impl Cut {
    /// In front of the service of that name, or near the middle.
    pub(super) fn of(text: &str, wanted: Option<&str>) -> Option<Self> {
        let services = match text.find(&format!("\n{SERVICES}")) {
            _ if text.starts_with(SERVICES) => 0,
            found => found? + 1,
        };
        let first = services + SERVICES.len();
        let lines = |from: usize| {
            let mut at = from;
            text.get(from..).unwrap_or_default().split_inclusive('\n').map(move |line| {
                at += line.len();
                (at - line.len(), line, line.len() - line.trim_start_matches(' ').len())
            })
        };
        let says_something = |line: &str| !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
        let (_, _, column) = lines(first).find(|(_, line, _)| says_something(line))?;
        let begins_one = |(at, line, blanks): (usize, &str, usize)| {
            let name = line.get(blanks..)?;
            let ordinary = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
            (blanks == column && ordinary).then_some(Self { services, line: at, name: at + blanks })
        };
        let from = if let Some(name) = wanted {
            text.find(&format!("\n{:column$}{name}:\n", ""))? + 1
        } else {
            let middle = text.as_bytes().get(text.len() / 2..)?.iter().position(|b| *b == b'\n')?;
            (text.len() / 2 + middle + 1).max(first)
        };
        let mut behind = lines(from).take_while(|(_, line, blanks)| *blanks >= column.max(1) || !says_something(line));
        let cut = behind.find_map(begins_one).filter(|cut| cut.line > first)?;
        // What is named in front of it would have to be known behind it.
        let names = |(at, _): (usize, &str)| {
            let byte = |at: usize| text.as_bytes().get(at).copied().unwrap_or_default();
            at > 0 && byte(at - 1) == b' ' && (byte(at + 1).is_ascii_alphanumeric() || b"_-".contains(&byte(at + 1)))
        };
        let before = text.get(first..cut.line)?;
        let is_named = before.match_indices('&').any(|(at, found)| names((first + at, found)));
        (!is_named).then_some(cut)
    }

    /// The name of the service behind it.
    pub(super) fn name<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.get(self.name..)?.lines().next()?.strip_suffix(':')
    }
}

/// Reads several files, on two processors where they are large: of each the first services on the one, the last on the
/// other.
pub fn read_beside(files: Vec<Unread<'_>>) -> Vec<Result<Vec<Document>, Findings>> {
    if files.iter().map(|file| file.text.len()).sum::<usize>() < LARGE {
        files.into_iter().map(Unread::read).collect()
    } else {
        read_cut(files)
    }
}

/// The same of files that may be small: for tests.
#[doc(hidden)]
pub fn read_cut(files: Vec<Unread<'_>>) -> Vec<Result<Vec<Document>, Findings>> {
    let mut name: Option<String> = None;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut bytes = [0, 0];
    for Unread { text, builder } in files {
        // All at the same service, as far as they have it.
        let named = name.as_deref().and_then(|name| Cut::of(&text, Some(name)));
        let cut = named.or_else(|| Cut::of(&text, None));
        if let Some(cut) = cut {
            name = name.or_else(|| cut.name(&text).map(str::to_owned));
            let (back, spots) = builder.beside();
            other.push(Some(Part::Back(cut, Arc::clone(&text), back, spots)));
            one.push(Some(Part::Front(cut, text, builder)));
        } else {
            let [here, there] = &mut bytes;
            let length = text.len();
            let whole = Some(Part::Whole(Unread { text, builder }));
            if here <= there {
                *here += length;
                one.push(whole);
                other.push(None);
            } else {
                *there += length;
                one.push(None);
                other.push(whole);
            }
        }
    }
    let (one, other) = beside(|| Part::read_all(one), || Part::read_all(other));
    one.into_iter().zip(other).filter_map(|(one, other)| Read::join(one, other)).collect()
}

/// What one processor reads of a file.
enum Part<'o> {
    Whole(Unread<'o>),
    /// What is in front of a cut.
    Front(Cut, Arc<Box<str>>, Builder<'o>),
    /// What is behind it.
    Back(Cut, Arc<Box<str>>, Builder<'o>, Batch<'o>),
}

/// A part that was read; what is cut with the number of anchors in front of all services, where the reader was sure.
enum Read<'o> {
    Whole(Result<Vec<Document>, Findings>),
    Front(Arc<Box<str>>, Builder<'o>, Option<usize>),
    Back(Builder<'o>, Option<usize>),
}

impl<'o> Part<'o> {
    fn read_all(parts: Vec<Option<Self>>) -> Vec<Option<Read<'o>>> {
        parts.into_iter().map(|part| part.map(Self::read)).collect()
    }

    fn read(self) -> Read<'o> {
        match self {
            Self::Whole(file) => Read::Whole(file.read()),
            Self::Front(cut, text, mut builder) => {
                let anchors = quick::read_front(&mut builder, &text, cut).ok();
                Read::Front(text, builder, anchors)
            }
            Self::Back(cut, text, mut builder, spots) => {
                let anchors = quick::read_back(&mut builder, spots, &text, cut).ok();
                Read::Back(builder, anchors)
            }
        }
    }
}

impl Read<'_> {
    /// The documents of a file of which this was read.
    fn join(one: Option<Self>, other: Option<Self>) -> Option<Result<Vec<Document>, Findings>> {
        match (one, other) {
            (Some(Self::Whole(read)), _) | (_, Some(Self::Whole(read))) => Some(read),
            (Some(Self::Front(text, mut builder, anchors)), Some(Self::Back(other, known))) => {
                let both = if anchors.is_some() && anchors == known { builder.join(other) } else { None };
                // What is wrong in one of them is told by who reads all of it.
                Some(both.map_or_else(|| Unread { text, builder: builder.forget() }.read(), Ok))
            }
            _ => None,
        }
    }
}

/// Whether a text is cut, and both readers are sure of their parts: for tests.
#[doc(hidden)]
pub fn is_cut(text: &str) -> bool {
    let origins = Origins::default();
    let file = origins.add_file("", FileRole::Compose, "");
    let mut front = Builder::new(origins.batch(file));
    let (mut back, spots) = front.beside();
    let Some(cut) = Cut::of(text, None) else { return false };
    let anchors = quick::read_front(&mut front, text, cut).ok();
    anchors.is_some() && anchors == quick::read_back(&mut back, spots, text, cut).ok() && front.join(back).is_some()
}
