//! Progress of what is followed, told when it is another than before.

use super::{Event, Progress, State, What};
use crate::value::Key;

/// What was told last of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling(Option<(u32, u32, String)>);

impl Telling {
    /// Tells how far something has come, unless that was said last.
    pub(super) fn tell(&mut self, key: &Key, state: &State, progress: &dyn Progress) {
        let what = match state {
            State::Progressing { ready, wanted, text } => {
                let told = (*ready, *wanted, text.as_str().to_owned());
                if self.0.as_ref() == Some(&told) {
                    return;
                }
                self.0 = Some(told);
                What::Moving { ready: *ready, wanted: *wanted, text: text.clone() }
            }
            State::Settled => What::Settled,
            State::Failed(reason) => What::Failed(reason.clone()),
            State::Absent => What::Skipped("it is not there".into()),
            State::Going => return,
        };
        progress.event(Event { destination: None, key: Some(key.clone()), what });
    }
}
