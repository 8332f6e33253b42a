//! What is behind an error.

use std::{error::Error, io, iter::successors};

/// The causes of an error. One that is wrapped as an error of input and output is its cause, which `source`
/// would pass over.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&cause| {
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| cause.source())
    })
}
