//! What an engine tells while it works: one JSON document a line.

use std::time::Duration;

use serde_json::Value as Json;

use super::{Body, Error};

/// The most that one line may hold, bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Documents as they come, until the engine has told everything.
#[derive(Debug)]
pub struct Lines {
    body: Body,
    held: Vec<u8>,
    /// Where in what is held no end of a line has been found yet.
    searched: usize,
}

impl Lines {
    pub(super) const fn new(body: Body) -> Self {
        Self { body, held: Vec::new(), searched: 0 }
    }

    /// With another limit on silence; `None`: the engine may have nothing to tell for as long as it likes.
    #[must_use]
    pub fn silent_for(self, most: Option<Duration>) -> Self {
        Self { body: self.body.silent_for(most), ..self }
    }

    /// The next document; `None` after the last. One that tells of a failure is that failure.
    ///
    /// # Errors
    /// When the engine fails, is silent for too long, or breaks off.
    pub async fn next(&mut self) -> Result<Option<Json>, Error> {
        loop {
            let end = self.held.get(self.searched..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
            if let Some(end) = end {
                let line: Vec<u8> = self.held.drain(..=self.searched + end).collect();
                self.searched = 0;
                if !line.trim_ascii().is_empty() {
                    return self.read(&line).map(Some);
                }
                continue;
            }
            self.searched = self.held.len();
            if self.held.len() > LONGEST {
                return Err(self.body.broken("sends a line without an end"));
            }
            let Some(piece) = self.body.next().await? else {
                let last = std::mem::take(&mut self.held);
                self.searched = 0;
                return if last.trim_ascii().is_empty() { Ok(None) } else { self.read(&last).map(Some) };
            };
            self.held.extend_from_slice(&piece);
        }
    }

    /// Reads to the end, for the failure that may be told there.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn finish(mut self) -> Result<(), Error> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    fn read(&self, line: &[u8]) -> Result<Json, Error> {
        let json: Json = serde_json::from_slice(line).map_err(|_| self.body.broken("sends a line that is not JSON"))?;
        let told = json.pointer("/errorDetail/message").or_else(|| json.get("error")).and_then(Json::as_str);
        match told {
            Some(message) => Err(Error::Failed { message: message.into() }),
            None => Ok(json),
        }
    }
}
