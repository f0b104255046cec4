//! What is heard of a statement after its call has gone.

use std::sync::Arc;

use tokio::sync::Notify;

/// Says that a statement which its call left running has been stopped, by the word of the database itself.
///
/// The gate keeps one end and gives the other along with the request. Nothing is said of a statement that ended by itself.
#[derive(Debug, Clone, Default)]
pub struct StopNotice(Arc<Notify>);

impl StopNotice {
    /// Waits for the word, for ever if need be.
    pub async fn confirmed(&self) {
        self.0.notified().await;
    }

    pub(crate) fn confirm(&self) {
        self.0.notify_one();
    }
}
