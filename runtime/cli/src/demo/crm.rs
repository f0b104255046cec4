//! A small HTTP API to call: it wants a credential that only the host has.

use std::net::SocketAddr;

use airlock_model::Digest;
use anyhow::Context;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use serde_json::{Value, json};

/// Starts the sample API on this address. It ends with the process.
pub(super) async fn start(secret: &str, address: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| {
        format!("cannot serve the sample API on {address}; if another demo uses this state, end it or choose another `--state`")
    })?;
    let address = listener.local_addr()?;
    let expected = Digest::of(format!("Bearer {secret}").as_bytes());
    let router = Router::new().route("/customers/{name}", get(customer)).with_state(expected);
    // A runtime of its own: the demo's thread is busy building functions.
    let listener = listener.into_std()?;
    std::thread::Builder::new().name("sample-crm".to_owned()).spawn(move || serve(listener, router))?;
    Ok(address)
}

fn serve(listener: std::net::TcpListener, router: Router) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(axum::serve(listener, router).await?)
    })
}

async fn customer(
    State(expected): State<Digest>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let given = headers.get("authorization").map(|value| Digest::of(value.as_bytes()));
    if given != Some(expected) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    match name.as_str() {
        "ada" => Ok(Json(json!({ "name": "Ada Lovelace", "tier": "gold" }))),
        "grace" => Ok(Json(json!({ "name": "Grace Hopper", "tier": "silver" }))),
        _ => Err(StatusCode::NOT_FOUND),
    }
}
