//! Whether an API answers at all.

use ::http::{Method, Request};
use airlock_model::{HostError, WebOrigin};
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::{HttpClient, Outgoing, explain, place::Place};

impl HttpClient {
    /// Whether the address of an origin may be connected to, as far as that is known without resolving a name: `false` when it
    /// is one. Sends nothing.
    ///
    /// # Errors
    /// `Denied`, as a request would be.
    pub(crate) fn judge_literal(&self, origin: Option<WebOrigin>) -> Result<bool, HostError> {
        let dialled = self.routes.origin(&self.settings, &Place::of(origin));
        dialled.check_literal().map_err(|why| why.in_words(&self.resource))
    }

    /// Asks for the head of the binding's origin, without the credential. Any status is an answer.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<(), HostError> {
        let body = Outgoing::Whole(Bytes::new());
        let request = Request::builder().method(Method::HEAD).uri(self.settings.base.origin()).body(body);
        let request = request.map_err(|_| HostError::BadRequest("the base URL makes no request".to_owned()))?;
        let route = self.routes.to(&self.settings, &Place::Own);
        match timeout_at(deadline, route.client.request(request)).await {
            Ok(answered) => answered.map(drop).map_err(|error| explain::request(&self.resource, &error)),
            Err(_) => Err(HostError::Timeout(format!("`{}` did not answer in time", self.resource))),
        }
    }
}
