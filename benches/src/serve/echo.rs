//! The yardstick: tonic with one worker and nothing behind it.

use std::net::Ipv4Addr;

use airlock_proto::v1::{
    CancelRequest, CancelResponse, ExplainRequest, ExplainResponse, InvokeRequest, InvokeResponse, InvokeStreamRequest,
    InvokeStreamResponse, Usage,
    invocation_service_server::{InvocationService, InvocationServiceServer},
    invoke_response,
};
use tonic::{
    Request, Response, Status,
    codegen::BoxStream,
    transport::{Server, server::TcpIncoming},
};

use super::{Addresses, released, runtime};
use crate::{cores, guests::OUTPUT};

/// As in Airlock's own listener.
const STREAMS_MAX: u32 = 256;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

struct Echo;

/// An answer as large as Airlock's.
pub(crate) fn answer() -> InvokeResponse {
    InvokeResponse {
        invocation_id: "0197a3c2-7b1e-7c3a-9d4f-5e6a7b8c9d0e".to_owned(),
        revision: "0123456789abcdef".repeat(4),
        result: Some(invoke_response::Result::Output(OUTPUT.to_vec())),
        usage: Some(Usage { fuel: 9_000, memory_bytes: 1 << 20, wall_us: 100, ..Usage::default() }),
    }
}

#[tonic::async_trait]
impl InvocationService for Echo {
    async fn invoke(&self, _: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        Ok(Response::new(answer()))
    }

    type InvokeStreamStream = BoxStream<InvokeStreamResponse>;

    async fn invoke_stream(
        &self,
        _: Request<InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        Err(Status::unimplemented("the yardstick only answers `Invoke`"))
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented("the yardstick only answers `Invoke`"))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        Err(Status::unimplemented("the yardstick only answers `Invoke`"))
    }
}

/// Serves on one core until released.
pub(crate) fn serve(core: usize) -> anyhow::Result<()> {
    cores::pin(&[core])?;
    runtime()?.block_on(async {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into())?.with_nodelay(Some(true));
        Addresses { data: incoming.local_addr()?, control: None }.announce()?;
        Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(InvocationServiceServer::new(Echo))
            .serve_with_incoming_shutdown(incoming, released())
            .await?;
        Ok(())
    })
}
