//! An exchange that is carried out step by step: pieces of the request's body, then the head of the response, then pieces of its
//! body.

use std::sync::Arc;

use airlock_model::{HostError, HttpHead};
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{Answer, HttpClient, Meter, Outgoing, body::Piece};
use crate::{HttpRequest, Traffic};

/// An exchange of one call. Nothing is sent before its first step. Dropped, it breaks off.
#[derive(Debug)]
pub struct HttpExchange {
    client: Arc<HttpClient>,
    meter: Arc<Meter>,
    deadline: Instant,
    state: State,
}

/// What crosses the network for one exchange.
#[derive(Debug)]
pub struct Passing(Arc<Meter>);

impl Passing {
    /// What has crossed it so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.traffic()
    }
}

#[derive(Debug)]
enum State {
    /// Nothing has been sent.
    Ready(Box<HttpRequest>),
    /// The body is on its way.
    Sending(Sending),
    /// The response is there.
    Answered(Box<Answer>),
    /// It failed, or a step was given up midway.
    Over,
}

#[derive(Debug)]
struct Sending {
    pieces: mpsc::Sender<Piece>,
    sent_bytes: u64,
    answer: Task,
}

/// The request under way, ended with its exchange.
#[derive(Debug)]
struct Task(JoinHandle<Result<Answer, HostError>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HttpExchange {
    pub(crate) fn new(client: Arc<HttpClient>, request: HttpRequest) -> Self {
        let meter = Arc::new(Meter::new(request.egress.clone()));
        Self { client, meter, deadline: request.deadline, state: State::Ready(Box::new(request)) }
    }

    /// What crosses the network, to be looked at also when the exchange itself is gone.
    #[must_use]
    pub fn passing(&self) -> Passing {
        Passing(Arc::clone(&self.meter))
    }

    /// Hands over a piece of the request's body, and waits until there is room for the next one.
    ///
    /// # Errors
    /// `BadRequest` when the body is over the cap, or the request has been sent whole; `Limit`, `Timeout`. It is over then.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<(), HostError> {
        let mut sending = match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(request) => self.begin(*request)?,
            State::Sending(sending) => sending,
            State::Answered(_) | State::Over => return Err(out_of_turn("the body has been sent")),
        };
        sending.sent_bytes = sending.sent_bytes.saturating_add(bytes.len() as u64);
        self.client.settings().check_request_size(sending.sent_bytes)?;
        self.meter.send(bytes.len() as u64)?;
        if !bytes.is_empty() {
            // Whoever answers before the end of the body does not read the rest: its answer is what counts.
            let handed_over = timeout_at(self.deadline, sending.pieces.send(Piece::Data(Bytes::from(bytes)))).await;
            let _ = handed_over.map_err(|_| HostError::Timeout("the API does not take the body".to_owned()))?;
        }
        self.state = State::Sending(sending);
        Ok(())
    }

    fn begin(&self, request: HttpRequest) -> Result<Sending, HostError> {
        if request.body.as_ref().is_some_and(|body| !body.is_empty()) {
            return Err(out_of_turn("the request has a body already"));
        }
        let (pieces, body) = Outgoing::pieces();
        let (client, meter) = (Arc::clone(&self.client), Arc::clone(&self.meter));
        let answer = Task(tokio::spawn(async move { client.upload(request, body, &meter).await }));
        Ok(Sending { pieces, sent_bytes: 0, answer })
    }

    /// Ends the request and waits for the head of its response.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see. It is over then.
    pub async fn head(&mut self) -> Result<HttpHead, HostError> {
        let answer = match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(request) => self.client.open(*request, &self.meter).await?,
            State::Sending(sending) => finish(sending, self.deadline).await?,
            State::Answered(_) | State::Over => return Err(out_of_turn("the response was asked for before")),
        };
        let head = HttpHead { status: answer.status, headers: answer.headers.clone() };
        self.state = State::Answered(Box::new(answer));
        Ok(head)
    }

    /// The next piece of the response's body, none after the last of them.
    ///
    /// # Errors
    /// As [`Self::head`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, HostError> {
        let mut answer = match std::mem::replace(&mut self.state, State::Over) {
            State::Answered(answer) => answer,
            State::Over => return Ok(None),
            State::Ready(_) | State::Sending(_) => return Err(out_of_turn("the response has not been asked for")),
        };
        let piece = answer.next().await?;
        if piece.is_some() {
            self.state = State::Answered(answer);
        }
        Ok(piece)
    }
}

async fn finish(mut sending: Sending, deadline: Instant) -> Result<Answer, HostError> {
    let slow = |_| HostError::Timeout("the API does not take the body".to_owned());
    // Whoever has answered already takes no end.
    let _ = timeout_at(deadline, sending.pieces.send(Piece::End)).await.map_err(slow)?;
    let answered = timeout_at(deadline, &mut sending.answer.0).await.map_err(slow)?;
    answered.map_err(|_| HostError::Unavailable("the request was given up".to_owned()))?
}

fn out_of_turn(why: &str) -> HostError {
    HostError::BadRequest(format!("{why}: an exchange is written, then asked for its response, then read"))
}
