//! Where a value came from, as four bytes that can be everywhere.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// Where a value came from: an index into [`Origins`]. The default is "nowhere".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Spot(u32);

impl Spot {
    /// No place: what nobody wrote.
    pub const NOWHERE: Self = Self(0);

    /// Whether there is a place at all.
    pub const fn is_somewhere(self) -> bool {
        self.0 != 0
    }
}

/// A sorted set of spots. Derived values (a hash, a merged list, a joined string) have several.
/// One spot stands for itself; larger sets are interned in [`Origins`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sources(u32);

const SET: u32 = 1 << 31;

impl Sources {
    /// No source.
    pub const NONE: Self = Self(0);
}

impl From<Spot> for Sources {
    fn from(spot: Spot) -> Self {
        Self(spot.0)
    }
}

/// A file that was read, by its number in [`Origins`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(u32);

/// What a file is for, so that a message can say "in the overlay", "in the template".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FileRole {
    /// A Compose file or overlay.
    Compose,
    /// A file named by `env_file` or `label_file`.
    EnvFile,
    /// `.env`, or a file named by `--env-file`.
    DotEnv,
    /// A file whose bytes became a value: a config, a secret, a bind mount.
    Content,
    /// `transship.yaml`.
    Settings,
    /// A patch of the user's.
    Patch,
    /// A manifest of the user's, or one found in a directory.
    Manifest,
    /// A template of a manifest, ours or ejected.
    Template,
    /// `transship.lock`.
    Lock,
}

/// One place a value can come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Bytes somebody wrote; a byte range of the file.
    File {
        /// Which file.
        file: FileId,
        /// Byte range inside it.
        span: Range<u32>,
    },
    /// A variable of the process, or of a flag.
    Variable {
        /// Its name.
        name: Box<str>,
        /// Whether a flag (`--set`) gave it.
        flag: bool,
    },
    /// A default of Compose's or ours, by the name of the rule.
    Default {
        /// The rule.
        rule: &'static str,
    },
    /// Read from an image's configuration, through the lock.
    Image {
        /// The image reference as written.
        reference: Box<str>,
        /// The field of the configuration.
        field: &'static str,
    },
    /// What an earlier revision had written down as its place; the line may be gone today.
    Recorded {
        /// The revision.
        revision: u64,
        /// The place as text.
        place: Box<str>,
    },
    /// Found running.
    Live {
        /// The object and the path in it, as text.
        place: Box<str>,
    },
}

/// One link of the chain from a value back to what somebody wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The place itself.
    pub source: Source,
    /// What this value displaced: the same path in an earlier overlay, document or extended base.
    pub displaced: Option<Spot>,
    /// What it was made of: variables interpolated, the file whose content was read.
    pub made_of: Sources,
}

/// A place that can be printed and opened. Lines and columns count from 1, columns in characters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// The file as the user named it.
    pub path: Arc<str>,
    /// The same file by its number, for its role and its text.
    pub file: FileId,
    /// Byte range in the file.
    pub span: Range<u32>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// The arena all spots of one run point into. Append-only and shared; everything takes `&self`.
#[derive(Default)]
pub struct Origins {
    inner: Arc<RwLock<Inner>>,
    /// Where the spots are kept that are made here, until this goes; without it they are put to all others.
    own: Option<Own>,
}

/// Spots that one thread makes.
struct Own {
    /// The row that they are put into in the end.
    row: usize,
    /// The number of the first.
    first: u32,
    /// How many numbers are kept free for them.
    kept: u32,
    entries: Mutex<Vec<Entry>>,
}

impl Own {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of a spot that was made here.
    fn entry(&self, spot: Spot) -> Option<Entry> {
        self.entries().get(spot.0.checked_sub(self.first)? as usize).copied()
    }

    fn push(&self, entry: Entry) -> Option<Spot> {
        let mut entries = self.entries();
        let number = clamp(entries.len());
        (number < self.kept).then(|| {
            entries.push(entry);
            Spot(self.first + number)
        })
    }
}

#[derive(Default)]
struct Inner {
    files: Vec<File>,
    rows: Vec<Row>,
    others: Vec<Source>,
    sets: Vec<Box<[Spot]>>,
    set_numbers: HashMap<Box<[Spot]>, u32>,
}

struct File {
    path: Arc<str>,
    role: FileRole,
    text: Arc<Box<str>>,
    /// Byte offsets at which lines begin, once somebody asks.
    lines: OnceLock<Vec<u32>>,
}

impl File {
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
            std::iter::once(0).chain(ends.map(|(i, _)| clamp(i + 1))).collect()
        })
    }
}

/// Spots with numbers in a row. A file has a row of its own, so that several can be read side by side and the same
/// input still always gives the same numbers.
struct Row {
    /// The number of the first.
    first: u32,
    /// How many numbers are kept free for it.
    kept: u32,
    entries: Entries,
}

enum Entries {
    /// What somebody wrote: where it begins and ends in the file. There is one for every value, so they are small.
    Written(FileId, Vec<(u32, u32)>),
    /// All others.
    Made(Vec<Entry>),
}

#[derive(Clone, Copy)]
struct Entry {
    /// A file number, or with [`SET`] an index into `others`.
    source: u32,
    start: u32,
    end: u32,
    displaced: Spot,
    made_of: Sources,
}

impl Entry {
    const fn written(file: FileId, start: u32, end: u32) -> Self {
        Self { source: file.0, start, end, displaced: Spot::NOWHERE, made_of: Sources::NONE }
    }
}

impl Row {
    fn len(&self) -> usize {
        match &self.entries {
            Entries::Written(_, places) => places.len(),
            Entries::Made(entries) => entries.len(),
        }
    }
}

impl Inner {
    fn entry(&self, spot: Spot) -> Option<Entry> {
        let row = self.rows.get(self.rows.partition_point(|row| row.first <= spot.0).checked_sub(1)?)?;
        let at = (spot.0 - row.first) as usize;
        match &row.entries {
            Entries::Written(file, places) => places.get(at).map(|(start, end)| Entry::written(*file, *start, *end)),
            Entries::Made(entries) => entries.get(at).copied(),
        }
    }

    /// The number behind all others. 0 is nowhere, so they begin at 1.
    fn next(&self) -> u32 {
        self.rows.last().map_or(1, |row| row.first + row.kept.max(clamp(row.len())))
    }

    fn push(&mut self, entry: Entry) -> Spot {
        let next = self.next();
        if let Some(Row { kept: 0, entries: Entries::Made(entries), .. }) = self.rows.last_mut() {
            entries.push(entry);
        } else {
            self.rows.push(Row { first: next, kept: 0, entries: Entries::Made(vec![entry]) });
        }
        Spot(next)
    }
}

impl Origins {
    /// An empty arena.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a file that was read; its text is kept for excerpts.
    pub fn add_file(&self, path: &str, role: FileRole, text: impl Into<Box<str>>) -> FileId {
        let text = Arc::new(text.into());
        let mut inner = self.write();
        let id = FileId(clamp(inner.files.len()));
        inner.files.push(File { path: path.into(), role, text, lines: OnceLock::new() });
        id
    }

    /// A spot for a byte range of a file.
    pub fn in_file(&self, file: FileId, span: Range<usize>) -> Spot {
        self.push(Entry::written(file, clamp(span.start), clamp(span.end)))
    }

    /// For very many spots of one file. Several files can be at it side by side: their order is that of these calls.
    pub fn batch(&self, file: FileId) -> Batch<'_> {
        let mut inner = self.write();
        let length = inner.files.get(file.0 as usize).map_or(0, |file| file.text.len());
        let first = inner.next();
        // No text has more values than this; and however many files there are, some numbers are left.
        let kept = clamp(length).saturating_mul(4).saturating_add(64).min(SET.saturating_sub(first) / 2);
        inner.rows.push(Row { first, kept, entries: Entries::Written(file, Vec::new()) });
        Batch { origins: self, file, row: Some(inner.rows.len() - 1), first, kept, places: Vec::new() }
    }

    /// A spot for any other source.
    pub fn add(&self, source: Source) -> Spot {
        if let Source::File { file, span } = source {
            return self.in_file(file, span.start as usize..span.end as usize);
        }
        let index = {
            let mut inner = self.write();
            inner.others.push(source);
            clamp(inner.others.len() - 1)
        };
        self.push(Entry { source: index | SET, start: 0, end: 0, displaced: Spot::NOWHERE, made_of: Sources::NONE })
    }

    /// The same place again, with what it displaced and what it was made of.
    pub fn derive(&self, spot: Spot, displaced: Option<Spot>, made_of: Sources) -> Spot {
        self.push(Entry { displaced: displaced.unwrap_or_default(), made_of, ..self.again(spot) })
    }

    /// A place that remembers what it displaced; made of what it was made of before.
    pub fn displacing(&self, spot: Spot, displaced: Spot) -> Spot {
        self.push(Entry { displaced, ..self.again(spot) })
    }

    fn entry(&self, spot: Spot) -> Option<Entry> {
        let own = self.own.as_ref().and_then(|own| own.entry(spot));
        own.or_else(|| self.read().entry(spot))
    }

    /// The entry of the same place, which displaced nothing.
    fn again(&self, spot: Spot) -> Entry {
        let nowhere = Entry::written(FileId(u32::MAX), 0, 0);
        Entry { displaced: Spot::NOWHERE, ..self.entry(spot).unwrap_or(nowhere) }
    }

    fn push(&self, entry: Entry) -> Spot {
        // What does not fit goes to the end, where the order is that of the threads.
        let own = self.own.as_ref().and_then(|own| own.push(entry));
        own.unwrap_or_else(|| self.write().push(entry))
    }

    /// The same arena for two threads: each keeps the spots that it makes for itself, until its handle goes. So neither
    /// waits for the other, and the same input always gives the same numbers.
    pub fn for_two(&self) -> [Arc<Self>; 2] {
        let mut inner = self.write();
        let known: usize = inner.rows.iter().map(Row::len).sum();
        [(); 2].map(|()| {
            let first = inner.next();
            let kept = clamp(known).saturating_mul(2).saturating_add(1 << 16).min(SET.saturating_sub(first) / 8);
            inner.rows.push(Row { first, kept, entries: Entries::Made(Vec::new()) });
            let own = Own { row: inner.rows.len() - 1, first, kept, entries: Mutex::default() };
            Arc::new(Self { inner: Arc::clone(&self.inner), own: Some(own) })
        })
    }

    /// The set of these spots; "nowhere" is left out.
    pub fn union(&self, spots: impl IntoIterator<Item = Spot>) -> Sources {
        let mut spots = spots.into_iter().filter(|spot| spot.is_somewhere());
        let Some(first) = spots.next() else { return Sources::NONE };
        let Some(second) = spots.find(|spot| *spot != first) else { return first.into() };
        let mut all = vec![first, second];
        all.extend(spots);
        all.sort_unstable();
        all.dedup();
        if let Some(number) = self.read().set_numbers.get(all.as_slice()) {
            return Sources(*number | SET);
        }
        let mut inner = self.write();
        if let Some(number) = inner.set_numbers.get(all.as_slice()) {
            return Sources(*number | SET);
        }
        let number = clamp(inner.sets.len());
        let set: Box<[Spot]> = all.into();
        inner.sets.push(set.clone());
        inner.set_numbers.insert(set, number);
        Sources(number | SET)
    }

    /// The union of several sets.
    pub fn join(&self, sets: impl IntoIterator<Item = Sources>) -> Sources {
        let spots: Vec<Spot> = sets.into_iter().flat_map(|set| self.spots(set)).collect();
        self.union(spots)
    }

    /// The members of a set.
    pub fn spots(&self, sources: Sources) -> Vec<Spot> {
        if sources.0 & SET == 0 {
            return if sources.0 == 0 { Vec::new() } else { vec![Spot(sources.0)] };
        }
        self.read().sets.get((sources.0 & !SET) as usize).map(|set| set.to_vec()).unwrap_or_default()
    }

    /// The link this spot stands for. `None` for "nowhere".
    pub fn origin(&self, spot: Spot) -> Option<Origin> {
        let entry = self.entry(spot)?;
        let inner = self.read();
        let source = if entry.source & SET == 0 {
            Source::File { file: FileId(entry.source), span: entry.start..entry.end }
        } else {
            inner.others.get((entry.source & !SET) as usize)?.clone()
        };
        let displaced = entry.displaced.is_somewhere().then_some(entry.displaced);
        Some(Origin { source, displaced, made_of: entry.made_of })
    }

    /// File, line and column, where the spot is in a file.
    pub fn place(&self, spot: Spot) -> Option<Place> {
        let Origin { source: Source::File { file, span }, .. } = self.origin(spot)? else { return None };
        let inner = self.read();
        let entry = inner.files.get(file.0 as usize)?;
        let lines = entry.lines();
        let line = lines.partition_point(|start| *start <= span.start);
        let begin = *lines.get(line.saturating_sub(1))? as usize;
        let before = entry.text.get(begin..span.start as usize).map_or(0, |text| text.chars().count());
        Some(Place { path: Arc::clone(&entry.path), file, span, line: clamp(line), column: clamp(before) + 1 })
    }

    /// A spot as people read it: `compose.yaml:12:5`, `variable TAG`, `image nginx:1 (ExposedPorts)`.
    pub fn describe(&self, spot: Spot) -> Option<String> {
        Some(match self.origin(spot)?.source {
            Source::File { .. } => self.place(spot)?.to_string(),
            Source::Variable { name, flag: false } if name.starts_with("--") => name.into(),
            Source::Variable { name, flag: false } => format!("variable {name}"),
            Source::Variable { name, flag: true } => format!("--set {name}"),
            Source::Default { rule } => format!("default ({rule})"),
            Source::Image { reference, field } => format!("image {reference} ({field})"),
            Source::Recorded { revision, place } => format!("{place} of revision {revision}"),
            Source::Live { place } => format!("live {place}"),
        })
    }

    /// The text of a file.
    pub(crate) fn text(&self, file: FileId) -> Arc<Box<str>> {
        self.read().files.get(file.0 as usize).map(|file| Arc::clone(&file.text)).unwrap_or_default()
    }

    /// What a file is for.
    pub fn role(&self, file: FileId) -> Option<FileRole> {
        self.read().files.get(file.0 as usize).map(|file| file.role)
    }

    /// Path and text of a file, for excerpts.
    pub fn file(&self, file: FileId) -> Option<(Arc<str>, Arc<Box<str>>)> {
        self.read().files.get(file.0 as usize).map(|file| (Arc::clone(&file.path), Arc::clone(&file.text)))
    }

    /// Everything a set leads to: its members, what they were made of and what they displaced, each once.
    pub fn reachable(&self, sources: Sources) -> Vec<Spot> {
        let mut found = std::collections::BTreeSet::new();
        let mut open = self.spots(sources);
        while let Some(spot) = open.pop() {
            if !found.insert(spot) {
                continue;
            }
            if let Some(origin) = self.origin(spot) {
                open.extend(origin.displaced);
                open.extend(self.spots(origin.made_of));
            }
        }
        found.into_iter().collect()
    }
}

impl Drop for Origins {
    fn drop(&mut self) {
        let Some(own) = &self.own else { return };
        let entries = std::mem::take(&mut *own.entries());
        if let Some(row) = self.write().rows.get_mut(own.row) {
            row.entries = Entries::Made(entries);
        }
    }
}

/// The right to add the spots of one file, one after the other. They can be asked for once it is given back.
pub struct Batch<'o> {
    origins: &'o Origins,
    file: FileId,
    /// Where they are put; nowhere for what another one puts there.
    row: Option<usize>,
    first: u32,
    kept: u32,
    places: Vec<(u32, u32)>,
}

impl Batch<'_> {
    /// A spot for a byte range of the file.
    pub fn spot(&mut self, start: usize, end: usize) -> Spot {
        let number = clamp(self.places.len()).min(self.kept.saturating_sub(1));
        self.places.push((clamp(start), clamp(end)));
        Spot(self.first + number)
    }

    /// One that gives the same spots for the same calls, and adds nothing: for what is read a second time beside this.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { row: None, places: Vec::new(), ..*self }
    }

    /// One more of the same file, behind all others.
    #[must_use]
    pub fn another(&self) -> Self {
        self.origins.batch(self.file)
    }

    /// Takes back all that were added; none of them may be used any more.
    pub fn forget(&mut self) {
        self.places.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let Some(row) = self.row else { return };
        if let Some(row) = self.origins.write().rows.get_mut(row) {
            row.entries = Entries::Written(self.file, std::mem::take(&mut self.places));
        }
    }
}

/// Files above 4 GiB are refused long before; a place beyond is then merely imprecise.
fn clamp(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.read();
        let places: usize = inner.rows.iter().map(Row::len).sum();
        write!(f, "{places} places in {} files", inner.files.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let origins = Origins::new();
        let file = origins.add_file("compose.yaml", FileRole::Compose, "a: 1\nä: é\n");
        assert_eq!(origins.describe(origins.in_file(file, 0..1)).as_deref(), Some("compose.yaml:1:1"));
        assert_eq!(origins.describe(origins.in_file(file, 9..11)).as_deref(), Some("compose.yaml:2:4"));
        assert_eq!(origins.describe(Spot::NOWHERE), None);
    }

    #[test]
    fn sets_are_sorted_unique_and_equal_when_their_members_are() {
        let origins = Origins::new();
        let one = origins.add(Source::Variable { name: "A".into(), flag: false });
        let two = origins.add(Source::Default { rule: "x" });
        let three = origins.derive(one, Some(two), Sources::NONE);
        let set = origins.union([three, one, Spot::NOWHERE, one]);
        assert_eq!(set, origins.union([one, three]));
        assert_eq!(origins.spots(set), [one, three]);
        assert_eq!(origins.union([one]), Sources::from(one));
        assert_eq!(origins.reachable(Sources::from(three)), [two, three]);
    }
}
