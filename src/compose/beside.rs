//! Work on two processors: the halves of a large application, side by side, with the results in their order.

use std::{
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// From so many services on, a second thread pays.
pub(super) const MANY: usize = 200;

/// Does both, at the same time where a thread can be had.
pub(super) fn beside<A, B: Send>(first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
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
