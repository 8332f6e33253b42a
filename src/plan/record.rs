//! What a revision keeps of the release it wanted.

use indexmap::IndexMap;

use crate::{
    target::Life,
    value::{Address, Fingerprint, Key, Node},
};

/// A release as it is kept: secrets as holes, sources as text.
#[derive(Clone, Debug)]
pub struct Record {
    /// The revision.
    pub revision: u64,
    /// Version of the tool that translated it.
    pub tool: Box<str>,
    /// Everything it wanted.
    pub resources: IndexMap<Key, RecordedResource>,
}

/// One resource of a record.
#[derive(Clone, Debug)]
pub struct RecordedResource {
    /// What it was called.
    pub address: Address,
    /// How it may change.
    pub life: Life,
    /// Its body, with holes where secrets were; the sources of its nodes are places of that time.
    pub body: Node,
    /// Over what it was made from.
    pub inputs: Fingerprint,
}
