//! A completion that comes as it is made.

use std::sync::Arc;

use airlock_model::{CompletionPiece, HostError, ResourceName};

use super::{
    Provider, Took,
    draft::{Draft, Fault},
    explain,
    sse::Events,
};
use crate::{
    Traffic,
    http::{Answer, Meter},
};

/// A completion whose pieces are still to come. Dropped, the rest of it is never asked for.
#[derive(Debug)]
pub struct CompletionStream {
    resource: ResourceName,
    provider: Provider,
    answer: Answer,
    meter: Arc<Meter>,
    events: Events,
    draft: Draft,
}

/// What came of waiting for the next piece.
#[derive(Debug)]
pub struct Next {
    /// For the guest: a piece, and the stream unless that was the last.
    pub piece: Result<(CompletionPiece, Option<CompletionStream>), HostError>,
    /// For its budgets, once it has ended.
    pub took: Took,
    /// What has crossed the network since the request was begun.
    pub traffic: Traffic,
}

impl CompletionStream {
    pub(super) fn new(resource: ResourceName, provider: Provider, answer: Answer, meter: Arc<Meter>) -> Self {
        Self { resource, provider, answer, meter, events: Events::default(), draft: Draft::default() }
    }

    /// Waits for the next piece. Text that came together is one piece.
    pub async fn next(mut self) -> Next {
        let meter = Arc::clone(&self.meter);
        let text = self.text().await;
        let took = self.draft.usage().filter(|_| self.draft.is_complete).map_or(Took::Unknown, Took::Known);
        let piece = match text {
            Ok(text) if text.is_empty() => {
                let resource = self.resource;
                let finished = self.draft.finish().map_err(|fault| explain::fault(&resource, &fault));
                finished.map(|completion| (CompletionPiece::Done(completion), None))
            }
            Ok(text) => Ok((CompletionPiece::Text(text), Some(self))),
            Err(error) => Err(error),
        };
        Next { piece, took, traffic: meter.traffic() }
    }

    /// The next text; none at the end.
    async fn text(&mut self) -> Result<String, HostError> {
        while !self.draft.is_complete {
            let Some(bytes) = self.answer.next().await? else { break };
            let text = self.take(&bytes).map_err(|fault| explain::fault(&self.resource, &fault))?;
            if !text.is_empty() {
                return Ok(text);
            }
        }
        Ok(String::new())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<String, Fault> {
        let mut added = String::new();
        for data in self.events.push(bytes).map_err(|_| Fault::Malformed)? {
            added.push_str(&self.provider.event(&mut self.draft, &data)?);
        }
        Ok(added)
    }
}
