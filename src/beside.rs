//! Work on two processors: the halves of what is large, side by side, with the results in their order.

use std::{
    iter,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// From so many entries on, a second thread pays.
pub(crate) const MANY: usize = 200;

/// Does the same with the halves of what are many, and with all of what are few; the results in their order.
pub(crate) fn in_halves<'t, T: Sync, R: Send>(
    all: &'t [T],
    work: impl Fn(&'t [T]) -> R + Sync,
) -> impl Iterator<Item = R> {
    let (one, other) = if all.len() < MANY {
        (work(all), None)
    } else {
        let (first, second) = all.split_at(all.len() / 2);
        let (one, other) = beside(|| work(first), || work(second));
        (one, Some(other))
    };
    iter::once(one).chain(other)
}

/// Does both, at the same time where a thread can be had.
pub(crate) fn beside<A, B: Send>(first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
    let waiting = Mutex::new(Some(second));
    let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    thread::scope(|scope| {
        let there = thread::Builder::new().spawn_scoped(scope, || take().map(|second| second()));
        let one = first();
        let other = match there.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(other)) => other,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => take().map(|second| second()),
        };
        match other {
            Some(other) => (one, other),
            // It is taken once, by whoever runs it.
            None => unreachable!("the second half is run by one of two"),
        }
    })
}
