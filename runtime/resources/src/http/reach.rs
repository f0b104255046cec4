//! Whether an API answers at all.

use ::http::{Method, Request};
use airlock_model::HostError;
use tokio::time::{Instant, timeout_at};

use super::{HttpClient, explain};

impl HttpClient {
    /// Asks for the head of the base URL, without the credential. Any status is an answer.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub(crate) async fn reach(&self, deadline: Instant) -> Result<(), HostError> {
        let request = Request::builder().method(Method::HEAD).uri(self.settings.base.origin());
        let request = request.body(http_body_util::Full::default());
        let request = request.map_err(|_| HostError::BadRequest("the base URL makes no request".to_owned()))?;
        match timeout_at(deadline, self.client.request(request)).await {
            Ok(answered) => answered.map(drop).map_err(|error| explain::request(&self.resource, &error)),
            Err(_) => Err(HostError::Timeout(format!("`{}` did not answer in time", self.resource))),
        }
    }
}
