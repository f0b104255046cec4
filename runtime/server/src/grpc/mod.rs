//! The generated service traits over the application.

mod approval;
mod control;
mod invocation;
mod log;
mod operator;
mod resource;
mod token;
mod usage;

use airlock_model::{Failure, Reason};
use airlock_service::{Holding, Presented, Sender, telemetry::TraceContext};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

pub(crate) use control::Control;
pub(crate) use invocation::Invocations;
pub(crate) use log::Logs;

use crate::{request, status, status::Refusal};

/// What surrounds the message of a request.
struct Around {
    headers: http::HeaderMap,
    sender: Option<Sender>,
    holding: Holding,
    trace: Option<TraceContext>,
}

impl Around {
    fn bearer(&self) -> Presented<'_> {
        Presented { token: request::token(&self.headers), sender: self.sender.as_ref() }
    }

    fn id(&self) -> &str {
        request::id_of(&self.headers)
    }
}

/// Runs one control-plane call within the caller's time, counts its answer, and gives its failure the wire's shape.
async fn answer<M: prost::Message, R>(
    around: &Around,
    call: impl Future<Output = Result<R, Refusal>>,
    respond: impl FnOnce(R) -> M,
) -> Result<Response<M>, Status> {
    let outcome = match request::deadline(&around.headers) {
        Err(refusal) => Err(refusal),
        Ok(None) => call.await,
        Ok(Some(left)) => timeout(left, call).await.unwrap_or_else(|_| {
            let hint = "allow more time with `grpc-timeout`; the work may or may not have been done";
            Err(Failure::new(Reason::TimeExhausted, "the caller's deadline passed", hint).into())
        }),
    };
    let counted = outcome.and_then(|reply| {
        let message = respond(reply);
        around.holding.hold_answer(message.encoded_len() as u64)?;
        Ok(Response::new(message))
    });
    counted.map_err(|refusal| status::status(refusal, around.id()))
}

/// The message apart from what surrounds it.
fn split<M>(request: Request<M>) -> (Around, M) {
    let (metadata, mut extensions, message) = request.into_parts();
    let holding = extensions.remove::<Holding>().unwrap_or_default();
    let sender = extensions.remove::<Sender>();
    let trace = extensions.remove::<TraceContext>();
    (Around { headers: metadata.into_headers(), sender, holding, trace }, message)
}
