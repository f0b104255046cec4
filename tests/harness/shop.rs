//! A real GraphQL API over HTTP, as far as tests need one: wants a credential, has a schema, and goes wrong on request.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The credential of the API: it must never be seen by a guest.
pub const SHOP_SECRET: &str = "canary-shop-secret-51c07b9e2d";

/// The schema of the API.
pub const SHOP_SDL: &str = "\
type Query { version: String! customer(id: ID!): Customer customers(first: Int): [Customer!]! }
type Mutation { rename(id: ID!, name: String!): Customer }
type Customer { id: ID! name: String! orders(first: Int): [Order!]! }
type Order { id: ID! total: Int! }
";

/// The API, and what it was asked.
pub struct Shop {
    pub address: SocketAddr,
    asked: Asked,
}

#[derive(Clone, Default)]
struct Asked {
    bodies: Arc<Mutex<Vec<Value>>>,
    changes: Arc<AtomicUsize>,
}

impl Shop {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Asked::default();
        let router = Router::new().route("/api/graphql", post(answer)).with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    /// `[resources.shop]` in that environment, with more keys.
    pub fn binding(&self, environment: &str, more: &str) -> String {
        format!("[resources.shop]\nkind = \"graphql\"\n{}", self.bound(environment, more))
    }

    /// The binding alone.
    pub fn bound(&self, environment: &str, more: &str) -> String {
        format!(
            "[resources.shop.{environment}]\nengine = \"graphql\"\nbase_url = \"http://{}/api\"\nallow_plaintext = true\n\
             allow_private = [\"127.0.0.1/32\"]\noperations = [\"query\", \"mutation\"]\n\
             credential = {{ kind = \"bearer\", value = {{ file = \"shop-token\" }} }}\n{more}\n",
            self.address
        )
    }

    /// The bodies of all requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.bodies.lock().expect("no panic").clone()
    }

    /// Mutations that took effect.
    pub fn changes(&self) -> usize {
        self.asked.changes.load(SeqCst)
    }
}

async fn answer(State(asked): State<Asked>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    asked.bodies.lock().expect("no panic").push(body.clone());
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given != format!("Bearer {SHOP_SECRET}") {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let document = body.get("query").and_then(Value::as_str).unwrap_or_default();
    match document {
        text if text.contains("__schema") => Json(json!({ "data": introspection() })).into_response(),
        text if text.contains("mutation") => {
            asked.changes.fetch_add(1, SeqCst);
            if body.pointer("/variables/name") == Some(&json!("gateway")) {
                return (StatusCode::GATEWAY_TIMEOUT, "<html>internal.example</html>").into_response();
            }
            Json(json!({ "data": { "rename": { "id": "1" } } })).into_response()
        }
        text if text.contains("customer(") => {
            customer(body.pointer("/variables/id").and_then(Value::as_str).unwrap_or("1"), given).await
        }
        _ => Json(json!({ "data": { "version": "7" } })).into_response(),
    }
}

async fn customer(id: &str, credential: &str) -> Response {
    let whole = || {
        let orders = json!([{ "id": "1", "total": 40 }, { "id": "2", "total": 2 }]);
        Json(json!({ "data": { "customer": { "id": id, "name": "Ada Lovelace", "orders": orders } } }))
    };
    let missing = json!({ "message": "no such customer", "path": ["customer"], "extensions": { "code": "NOT_FOUND" } });
    match id {
        "missing" => Json(json!({ "data": { "customer": null }, "errors": [missing] })).into_response(),
        "refused" => Json(json!({ "data": null, "errors": [missing] })).into_response(),
        "echo" => Json(json!({ "errors": [{ "message": format!("you sent {credential}") }] })).into_response(),
        "echo-data" => Json(json!({ "data": { "customer": { "name": credential } } })).into_response(),
        "html" => (StatusCode::OK, "<html>internal.example</html>").into_response(),
        "broken" => (StatusCode::BAD_GATEWAY, "internal.example").into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(120)).await;
            whole().into_response()
        }
        "large" => Json(json!({ "data": { "customer": { "name": "x".repeat(200_000) } } })).into_response(),
        _ => whole().into_response(),
    }
}

/// What the API says of itself.
fn introspection() -> Value {
    let named = |kind: &str, name: &str| json!({ "kind": kind, "name": name, "ofType": null });
    let some = |inner: Value| json!({ "kind": "NON_NULL", "name": null, "ofType": inner });
    let list = |name: &str| some(json!({ "kind": "LIST", "name": null, "ofType": some(named("OBJECT", name)) }));
    let (id, int, text) = (named("SCALAR", "ID"), named("SCALAR", "Int"), named("SCALAR", "String"));
    let value = |name: &str, ty: &Value| json!({ "name": name, "description": null, "type": ty, "defaultValue": null });
    let field = |name: &str, ty: &Value, args: Vec<Value>| json!({ "name": name, "description": null, "args": args, "type": ty, "isDeprecated": false, "deprecationReason": null });
    let object = |name: &str, fields: Vec<Value>| json!({ "kind": "OBJECT", "name": name, "description": null, "fields": fields, "interfaces": [] });
    let (customer, required) = (named("OBJECT", "Customer"), some(id.clone()));
    let types = [
        object(
            "Query",
            vec![
                field("version", &some(text.clone()), vec![]),
                field("customer", &customer, vec![value("id", &required)]),
                field("customers", &list("Customer"), vec![value("first", &int)]),
            ],
        ),
        object(
            "Mutation",
            vec![field("rename", &customer, vec![value("id", &required), value("name", &some(text.clone()))])],
        ),
        object(
            "Customer",
            vec![
                field("id", &required, vec![]),
                field("name", &some(text.clone()), vec![]),
                field("orders", &list("Order"), vec![value("first", &int)]),
            ],
        ),
        object("Order", vec![field("id", &required, vec![]), field("total", &some(int.clone()), vec![])]),
        json!({ "kind": "SCALAR", "name": "ID", "description": null }),
    ];
    json!({ "__schema": {
        "queryType": { "name": "Query" }, "mutationType": { "name": "Mutation" }, "types": types, "directives": [],
    } })
}
