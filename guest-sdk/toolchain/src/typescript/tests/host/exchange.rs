//! Step by step exchanges of the host for tests: what is written comes back, in the same pieces.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use wasmtime::component::{Accessor, ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::{HostError, Request};

struct Exchange;

type Held = Resource<Exchange>;
type Pieces = Arc<Mutex<Vec<Vec<u8>>>>;
type Answered<T> = Pin<Box<dyn Future<Output = wasmtime::Result<(Result<T, HostError>,)>> + Send>>;

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

fn answer<T: Send + 'static>(value: T) -> Answered<T> {
    Box::pin(async move { Ok((Ok(value),)) })
}

pub(super) fn link(http: &mut LinkerInstance<'_, ()>) -> wasmtime::Result<()> {
    let pieces: Pieces = Arc::default();
    http.resource("exchange", ResourceType::host::<Exchange>(), |_, _| Ok(()))?;
    http.func_wrap_concurrent("open", |_: &Accessor<()>, (_,): (Request,)| answer(Held::new_own(1)))?;
    let written = Arc::clone(&pieces);
    http.func_wrap_concurrent("[method]exchange.write", move |_: &Accessor<()>, (_, bytes): (Held, Vec<u8>)| {
        written.lock().unwrap().push(bytes);
        answer(())
    })?;
    http.func_wrap_concurrent("[method]exchange.response", |_: &Accessor<()>, (_,): (Held,)| {
        answer(Head { status: 201, headers: vec![("x-kind".to_owned(), "echo".to_owned())] })
    })?;
    http.func_wrap_concurrent("[method]exchange.next", move |_: &Accessor<()>, (_,): (Held,)| {
        let mut pieces = pieces.lock().unwrap();
        let next = (!pieces.is_empty()).then(|| pieces.remove(0));
        answer(next)
    })?;
    http.func_wrap_concurrent("covers", |_: &Accessor<()>, (url,): (String,)| {
        answer(url.starts_with("https://crm.example/"))
    })
}
