//! The generated service traits over the application.

mod control;
mod invocation;
mod operator;

use airlock_model::{Failure, Reason};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

pub(crate) use control::Control;
pub(crate) use invocation::Invocations;

use crate::{request, status, status::Refusal};

/// Runs one control-plane call within the caller's time and gives its failure the wire's shape.
async fn answer<M, R>(
    headers: &http::HeaderMap,
    call: impl Future<Output = Result<R, Refusal>>,
    respond: impl FnOnce(R) -> M,
) -> Result<Response<M>, Status> {
    let outcome = match request::deadline(headers) {
        Err(refusal) => Err(refusal),
        Ok(None) => call.await,
        Ok(Some(left)) => timeout(left, call).await.unwrap_or_else(|_| {
            let hint = "allow more time with `grpc-timeout`; the work may or may not have been done";
            Err(Failure::new(Reason::TimeExhausted, "the caller's deadline passed", hint).into())
        }),
    };
    match outcome {
        Ok(reply) => Ok(Response::new(respond(reply))),
        Err(refusal) => Err(status::status(refusal, request::id_of(headers))),
    }
}

/// The message apart from its headers.
fn split<M>(request: Request<M>) -> (http::HeaderMap, M) {
    let (metadata, _, message) = request.into_parts();
    (metadata.into_headers(), message)
}
