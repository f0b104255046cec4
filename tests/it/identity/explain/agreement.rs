//! Explanations against real calls: random tokens, fresh and used ones, functions, environments and host calls, each explained and
//! then made.
//!
//! `AIRLOCK_EXPLAIN_CASES` says how many; a run that fails is repeated with the seed it prints in `AIRLOCK_EXPLAIN_SEED`.

use std::collections::{BTreeMap, VecDeque};

use airlock_analysis::{
    source::{Report, SourceStatement},
    statements::listed_in,
};
use airlock_proto::v1::{ExplainRequest, StoreOperation, explain_request::Asks};
use airlock_tests::{
    Harness, Options, approvals::approver, guests, models::Models, output, reason, shop::Shop, tokens::TokenSpec,
};
use serde_json::{Value, json};

use super::explain_with;

const CASES: usize = 500;
const SEED: u64 = 20_261_123;

/// What only these tests need: executions that are approved one at a time, statements that must be listed, and tokens that are
/// good for the effects of one call.
const STAGES: &str = r#"
[environments.each]
writes = "approve-each"

[environments.strict]
writes = "allow"
strict = true

[environments.once]
writes = "allow"
single_use_tokens = true

[resources.orders-db.once]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]
[resources.crm.once]
engine = "http"
base_url = "http://CRM"
allow_plaintext = true
allow_private = ["127.0.0.1/32"]
operations = ["GET", "POST"]
[resources.orders-db.each]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]
[resources.orders-db.strict]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]
[resources.crm.each]
engine = "http"
base_url = "http://CRM"
allow_plaintext = true
allow_private = ["127.0.0.1/32"]
operations = ["GET"]
[resources.crm.strict]
engine = "http"
base_url = "http://CRM"
allow_plaintext = true
operations = ["GET", "POST"]
"#;

const ENVIRONMENTS: [&str; 8] = ["dev", "prod", "qa", "each", "strict", "once", "bare", "nowhere"];
/// The functions, and where they are deployed.
const FUNCTIONS: [(&str, &[&str]); 6] = [
    ("sql-probe", &["dev", "prod", "qa", "each", "strict", "once"]),
    ("sql-probe", &["qa", "each", "strict", "once", "once", "once"]),
    ("tx-probe", &["dev", "prod", "qa", "each", "strict", "once"]),
    ("store-probe", &["dev", "prod", "qa"]),
    ("api-probe", &["dev", "prod", "each", "once"]),
    ("model-probe", &["dev"]),
];
const SCOPES: [&str; 14] = [
    "orders-db:read",
    "orders-db:write",
    "orders-db:ddl",
    "crm:GET",
    "crm:GET:/customers/*",
    "crm:POST",
    "cache:read",
    "cache:write",
    "files:read",
    "files:write",
    "shop:query",
    "shop:mutation",
    "model:complete",
    "other:read",
];

/// Which function of the guest sends it, and the text. The first two are listed where that is needed.
const STATEMENTS: [(&str, &str); 15] = [
    ("query", "select id from orders where id = 1"),
    ("execute", "update orders set status = 'open' where id = 1"),
    ("query", "select count(*) from orders"),
    ("query", "select * from nothing_of_that_name"),
    ("execute", "update orders set status = 'open' where id = 2"),
    ("execute", "delete from orders where id = -1"),
    ("execute", "update orders set total = total"),
    ("execute", "create table if not exists t (n int)"),
    ("execute", "drop table orders"),
    ("query", "select 1; select 2"),
    ("query", "vacuum"),
    ("query", "attach database 'x' as y"),
    ("query", "not a statement"),
    ("query", "pragma table_info(orders)"),
    ("execute", "select nothing_of_that_name(1)"),
];
const DOCUMENTS: [(&str, &str); 6] = [
    ("query", "{ version }"),
    ("mutate", "mutation { rename(id: 1, name: \"x\") { id } }"),
    ("query", "{ nothing_of_that_name }"),
    ("query", "{ __schema { types { name } } }"),
    ("query", "subscription { version }"),
    ("query", "not a document"),
];
const REQUESTS: [(&str, &str); 10] = [
    ("GET", "/customers/ada"),
    ("GET", "BASE/customers/ada"),
    ("POST", "/echo"),
    ("POST", "/customers/ada"),
    ("DELETE", "/customers/ada"),
    ("BREW", "/customers/ada"),
    ("GET", "/customers/../echo"),
    ("GET", "http://169.254.169.254/latest"),
    ("GET", "http://2130706433/"),
    ("GET", "customers"),
];

/// SplitMix64: small, good enough, the same everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("below `end`")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Mostly right, so that most questions get far, and wrong in every way now and then.
    fn token(&mut self, function: &str, environment: &str) -> TokenSpec {
        let scopes: Vec<_> = SCOPES.into_iter().filter(|_| !self.one_in(5)).collect();
        let mut spec = match self.below(12) {
            0 => TokenSpec::only("other", &scopes),
            1 => TokenSpec::everything(),
            _ => TokenSpec::only(function, &scopes),
        };
        spec = spec.environment(environment);
        if self.one_in(6) {
            spec = spec.calls(1 + u32::from(self.one_in(2)));
        }
        match self.below(40) {
            0 => spec.age_s(7_200),
            1 => spec.instance("other"),
            2 => spec.environment("dev").asking_for(environment),
            _ => spec,
        }
    }

    fn ask(&mut self, function: &str, base: &str) -> Ask {
        match function {
            "tx-probe" => {
                let (op, text) = self.of(&STATEMENTS);
                Ask::Sql { op, text, in_transaction: !self.one_in(3) }
            }
            "store-probe" => Ask::Store { is_kv: self.one_in(2), writes: self.one_in(2) },
            "api-probe" => {
                let (op, text) = self.of(&DOCUMENTS);
                Ask::Graphql { op, text }
            }
            "model-probe" => Ask::Model(if self.one_in(3) { "huge" } else { "small" }),
            _ if self.one_in(3) => {
                let (method, url) = self.of(&REQUESTS);
                Ask::Http { method, url: url.replace("BASE", base) }
            }
            _ => {
                let (op, text) = self.of(&STATEMENTS);
                Ask::Sql { op, text, in_transaction: false }
            }
        }
    }
}

/// One host call, as a question and as the probes make it.
#[derive(Debug, Clone)]
enum Ask {
    Sql { op: &'static str, text: &'static str, in_transaction: bool },
    Graphql { op: &'static str, text: &'static str },
    Http { method: &'static str, url: String },
    Store { is_kv: bool, writes: bool },
    Model(&'static str),
}

impl Ask {
    fn resource(&self) -> &'static str {
        match self {
            Self::Sql { .. } => "orders-db",
            Self::Graphql { .. } => "shop",
            Self::Http { .. } => "crm",
            Self::Store { is_kv: true, .. } => "cache",
            Self::Store { is_kv: false, .. } => "files",
            Self::Model(_) => "model",
        }
    }

    fn question(&self, function: &str) -> ExplainRequest {
        let request = ExplainRequest {
            function: function.to_owned(),
            resource: self.resource().to_owned(),
            ..ExplainRequest::default()
        };
        match self {
            Self::Sql { text, in_transaction, .. } => {
                ExplainRequest { asks: Some(Asks::Sql((*text).to_owned())), in_transaction: *in_transaction, ..request }
            }
            Self::Graphql { text, .. } => ExplainRequest { asks: Some(Asks::Graphql((*text).to_owned())), ..request },
            Self::Http { method, url } => {
                ExplainRequest { asks: Some(Asks::Url(url.clone())), http_method: (*method).to_owned(), ..request }
            }
            Self::Store { writes, .. } => {
                let operation = if *writes { StoreOperation::Write } else { StoreOperation::Read };
                ExplainRequest { asks: Some(Asks::Store(operation.into())), ..request }
            }
            Self::Model(model) => ExplainRequest { asks: Some(Asks::Model((*model).to_owned())), ..request },
        }
    }

    fn payload(&self, function: &str) -> Value {
        match self {
            Self::Sql { op, text, in_transaction: false } if function == "tx-probe" => {
                json!({ "steps": [{ "do": op, "statement": text }] })
            }
            Self::Sql { op, text, in_transaction: true } => {
                json!({ "steps": [{ "do": "begin" }, { "do": op, "statement": text, "within": 0 }] })
            }
            Self::Sql { op, text, .. } => json!({ "op": op, "statement": text }),
            Self::Graphql { op, text } => json!({ "to": "graphql", "op": op, "document": text }),
            Self::Http { method, url } => json!({ "op": "http", "method": method, "path": url }),
            Self::Store { is_kv: true, writes: false } => json!({ "to": "kv", "op": "get", "key": "k" }),
            Self::Store { is_kv: true, writes: true } => json!({ "to": "kv", "op": "set", "key": "k", "value": 1 }),
            Self::Store { is_kv: false, writes: false } => json!({ "to": "blob", "op": "head", "key": "k" }),
            Self::Store { is_kv: false, writes: true } => json!({ "to": "blob", "op": "put", "key": "k", "text": "x" }),
            Self::Model(model) => json!({ "op": "complete", "model": model, "text": "say x" }),
        }
    }
}

/// A token, and what it was made for.
#[derive(Clone)]
struct Held {
    token: String,
    function: String,
    environment: String,
}

/// So many of the tokens before are used again: no more than live until they are.
const HELD_MAX: usize = 12;

impl Held {
    fn fresh(harness: &Harness, chance: &mut Chance) -> Self {
        let (function, deployed) = chance.of(&FUNCTIONS);
        // Mostly where there is something to call.
        let function = if chance.one_in(20) { "nobody" } else { function };
        let environment = if chance.one_in(10) { chance.of(&ENVIRONMENTS) } else { chance.of(deployed) };
        let spec = chance.token(function, environment);
        let environment = spec.environment_name().to_owned();
        Self { token: harness.token(&spec), function: function.to_owned(), environment }
    }
}

/// The reason of a refusal; nothing of what was done, whatever the backend made of it.
type Decision = Option<String>;

/// Everything that the functions need, in every environment that has it.
async fn stage(shop: &Shop, models: &Models) -> Harness {
    let with_shop =
        [shop.binding("dev", ""), shop.bound("prod", ""), shop.bound("each", ""), shop.bound("once", "")].concat();
    let more_config = [STAGES, &with_shop, &models.binding("dev", "")].concat();
    let harness = Harness::start_with(Options { more_config }).await;
    harness.set_config(&harness.config().replace("http://CRM", &format!("http://{}", harness.crm.address)));
    harness.reload().await.expect("read again");
    for (function, environments) in [FUNCTIONS[0], FUNCTIONS[2], FUNCTIONS[3], FUNCTIONS[4], FUNCTIONS[5]] {
        for environment in environments {
            let (manifest, component) = guests::built(function);
            let component = if *environment == "strict" { listing(component) } else { component };
            let deployed = harness.deploy_to(environment, &manifest, component).await;
            deployed.unwrap_or_else(|status| panic!("{function} to {environment}: {status:?}"));
        }
    }
    harness
}

/// The probe with a list of what it may say.
fn listing(component: Vec<u8>) -> Vec<u8> {
    let statement = |(_, text): &(&str, &str)| SourceStatement {
        text: (*text).to_owned(),
        kind: "sql".to_owned(),
        varies: false,
        class: None,
        dialect: None,
        resource: "orders_db".to_owned(),
        file: String::new(),
        line: 1,
        column: 1,
        end_line: 1,
        end_column: 1,
    };
    let statements = STATEMENTS.iter().take(2).map(statement).collect();
    listed_in(component, &Report { findings: Vec::new(), statements })
}

/// What an explanation came to, and the step that is worth a look: the one that decided, or an approval that stands.
async fn explained(harness: &Harness, held: &Held, request: ExplainRequest) -> (Decision, String) {
    match explain_with(harness, &held.token, &held.environment, request).await {
        Err(status) => (Some(reason(&status)), String::new()),
        Ok(answer) => {
            let decided: Vec<_> = answer.steps.iter().filter(|step| step.verdict == "deny").collect();
            assert_eq!(decided.len(), usize::from(answer.decision != "permit"), "{answer:#?}");
            let after = answer.steps.iter().skip_while(|step| step.verdict != "deny").skip(1);
            assert!(after.into_iter().all(|step| step.verdict == "not_reached"), "{answer:#?}");
            let approved = answer.steps.iter().find(|step| step.name == "approval" && step.verdict == "permit");
            let step = decided.first().copied().or(approved).map(|step| step.name.clone()).unwrap_or_default();
            ((answer.decision != "permit").then_some(answer.reason), step)
        }
    }
}

async fn made(harness: &Harness, held: &Held, payload: &Value) -> (Decision, Value) {
    match harness.invoke_with(&held.token, &held.environment, &held.function, &payload.to_string()).await {
        Err(status) => (Some(reason(&status)), Value::Null),
        Ok(answer) => {
            let answer = output(&answer);
            let error = match &answer {
                Value::Array(answers) => answers.iter().find_map(|answer| answer.get("error")),
                answer => answer.get("error"),
            };
            let decision = error.and_then(|error| match error["kind"].as_str().expect("a kind") {
                "denied" => Some(error["reason"].as_str().expect("a reason").to_owned()),
                "bad_request" => Some("host_call_malformed".to_owned()),
                "limit" => Some(format!("{}_exhausted", error["limit"].as_str().expect("a limit"))),
                // The gate let it pass.
                _ => None,
            });
            (decision, answer)
        }
    }
}

/// The name of the approval that an answer speaks of, and its environment's mind about it.
async fn decide(harness: &Harness, chance: &mut Chance, environment: &str, answer: &Value) {
    let text = answer.to_string();
    let Some(at) = text.find("ap-") else { return };
    let Some(id) = text.get(at..at + "ap-".len() + 32) else { return };
    match chance.below(4) {
        0 => {}
        1 => drop(harness.reject(&approver(environment), id, "no").await),
        _ => drop(harness.approve(&approver(environment), id).await),
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is for whoever runs it to say")]
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test]
async fn explanations_agree_with_real_calls() {
    let (shop, models) = (Shop::start().await, Models::start().await);
    let harness = stage(&shop, &models).await;
    let base = format!("http://{}", harness.crm.address);
    let seed = number("AIRLOCK_EXPLAIN_SEED", SEED);
    let mut chance = Chance(seed);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut used: VecDeque<(Held, Ask)> = VecDeque::new();
    for case in 0..number("AIRLOCK_EXPLAIN_CASES", CASES as u64) {
        let is_fresh = used.is_empty() || !chance.one_in(3);
        let (held, before) = if is_fresh {
            (Held::fresh(&harness, &mut chance), None)
        } else {
            let (held, ask) = used[chance.below(used.len())].clone();
            (held, Some(ask).filter(|_| !chance.one_in(3)))
        };
        let Held { function, environment, .. } = &held;
        let ask = before.unwrap_or_else(|| chance.ask(function, &base));
        let (told, step) = explained(&harness, &held, ask.question(function)).await;
        let (did, answer) = made(&harness, &held, &ask.payload(function)).await;
        let context = format!("seed {seed}, case {case}: {function} in {environment}: {ask:?}: {answer}");
        if step == "scope" {
            // Whoever the resource is not named to is told nothing else about it; the call is refused all the same.
            assert_eq!(told.as_deref(), Some("not_granted"), "{context}");
            assert!(did.is_some(), "{context}");
        } else {
            assert_eq!(told, did, "{context}");
        }
        let told = match told {
            Some(told) if step == "effects" => format!("{told} by effects"),
            Some(told) => told,
            None => if step == "approval" { "approved" } else { "permit" }.to_owned(),
        };
        *seen.entry(told).or_default() += 1;
        decide(&harness, &mut chance, environment, &answer).await;
        // A token that is used again is there already: so none is used when it is about to expire.
        if is_fresh {
            used.push_back((held, ask));
        }
        if used.len() > HELD_MAX {
            used.pop_front();
        }
    }
    // A test that asks the same all the time proves little.
    for wanted in [
        "permit",
        "approved",
        "token_invalid",
        "token_used",
        "token_used by effects",
        "not_granted",
        "function_unknown",
        "environment_unknown",
        "statement_refused",
        "statement_unlisted",
        "writes_denied",
        "approval_pending",
        "egress_denied",
        "model_denied",
        "host_call_malformed",
    ] {
        assert!(seen.contains_key(wanted), "no case was answered with `{wanted}`: {seen:?}");
    }
    println!("{seen:?}");
}
