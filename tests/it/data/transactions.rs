//! Transactions, on a real SQLite and a real PostgreSQL: what they hold together, what ends them, and who may have them.

mod ending;
mod gate;

use airlock_tests::{Harness, Options, output, postgres::Postgres, tokens::TokenSpec};
use serde_json::{Value, json};

/// A harness with the guest of these tests, in `dev` on SQLite and in `pg` on PostgreSQL.
struct Stage {
    harness: Harness,
    server: Postgres,
}

impl Stage {
    async fn start(extra: &str) -> Self {
        let server = Postgres::start();
        let harness = Harness::start_with(Options { more_config: server.environment(extra) }).await;
        let stage = Self { harness, server };
        stage.deploy("tx-probe").await;
        stage
    }

    async fn deploy(&self, guest: &str) {
        let (manifest, component) = airlock_tests::guests::built(guest);
        for environment in ["dev", "pg"] {
            self.harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        }
    }

    /// What came of each step.
    async fn steps(&self, environment: &str, steps: Value) -> Value {
        self.steps_as(&everything(environment), steps).await
    }

    async fn steps_as(&self, token: &TokenSpec, steps: Value) -> Value {
        let input = json!({ "steps": steps }).to_string();
        output(&self.harness.invoke_as(token, "tx-probe", &input).await.expect("the probe answers"))
    }

    /// The total of the first order, as others see it.
    async fn total(&self, environment: &str) -> f64 {
        let seen = self.steps(environment, json!([query("select total from orders where id = 1")])).await;
        number(&seen[0])
    }
}

fn everything(environment: &str) -> TokenSpec {
    TokenSpec::everything().environment(environment)
}

/// The only value of an answer: a number, or digits where the database has more of them.
fn number(answer: &Value) -> f64 {
    let value = &answer["rows"]["rows"][0][0];
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {answer}"))
}

fn query(statement: &str) -> Value {
    json!({ "do": "query", "statement": statement })
}

fn execute(statement: &str) -> Value {
    json!({ "do": "execute", "statement": statement })
}

fn within(number: usize, mut step: Value) -> Value {
    step["within"] = json!(number);
    step
}

fn begin() -> Value {
    json!({ "do": "begin" })
}

fn commit(number: usize) -> Value {
    json!({ "do": "commit", "within": number })
}

const CHANGE: &str = "update orders set total = total + 1 where id = 1";
const TOTAL: &str = "select total from orders where id = 1";

#[tokio::test]
async fn changes_are_seen_inside_at_once_and_outside_after_the_commit() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let before = stage.total(environment).await;
        let steps = json!([
            begin(),
            within(0, execute(CHANGE)),
            within(0, execute(CHANGE)),
            within(0, query(TOTAL)),
            query(TOTAL),
            commit(0),
            query(TOTAL),
        ]);
        let answers = stage.steps(environment, steps).await;
        assert_eq!((&answers[0], &answers[1]), (&json!({ "begun": 0 }), &json!({ "affected": 1 })), "{answers}");
        assert_eq!([3, 4, 6].map(|at| number(&answers[at]) - before), [2.0, 0.0, 2.0], "{environment}: {answers}");
        assert_eq!(answers[5], json!("ended"));
    }
}

#[tokio::test]
async fn what_is_rolled_back_or_let_go_leaves_nothing() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let before = stage.total(environment).await;
        let endings = [json!({ "do": "rollback", "within": 0 }), json!({ "do": "drop", "within": 0 })];
        for ending in endings.into_iter().map(Some).chain([None]) {
            let steps: Vec<Value> = [begin(), within(0, execute(CHANGE))].into_iter().chain(ending.clone()).collect();
            let answers = stage.steps(environment, json!(steps)).await;
            assert_eq!(answers[1], json!({ "affected": 1 }), "{answers}");
            assert_eq!(stage.total(environment).await, before, "{environment} {ending:?}");
        }
        let steps = json!([begin(), within(0, execute(CHANGE)), commit(0)]);
        assert_eq!(stage.steps(environment, steps).await[2], json!("ended"));
        assert_eq!(stage.total(environment).await, before + 1.0, "{environment}: the connection serves the next");
    }
    stage.server.wait_until_idle().await;
}

#[tokio::test]
async fn a_statement_that_fails_undoes_what_came_before_it_and_ends_the_transaction() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let before = stage.total(environment).await;
        let steps = json!([
            begin(),
            within(0, execute(CHANGE)),
            within(0, execute("insert into orders (id, customer, total) values (1, 'x', 0)")),
            within(0, execute(CHANGE)),
            commit(0),
            begin(),
            within(1, execute("insert into orders (id, customer, total) values (1, 'x', 0)")),
            json!({ "do": "rollback", "within": 1 }),
            begin(),
            within(2, execute(CHANGE)),
            commit(2),
        ]);
        let answers = stage.steps(environment, steps).await;
        assert_eq!(answers[2]["error"]["kind"], "backend", "{environment}: {answers}");
        for later in [3, 4, 7] {
            assert_eq!(answers[later]["error"]["kind"], "bad_request", "{environment}: {answers}");
        }
        assert_eq!(answers[10], json!("ended"), "{environment}: {answers}");
        assert_eq!(stage.total(environment).await, before + 1.0, "{environment}: the last alone");
    }
}

/// A deferred constraint is judged when the transaction is committed.
#[tokio::test]
async fn a_commit_that_the_database_refuses_is_an_error_and_undoes_everything() {
    let stage = Stage::start("").await;
    stage.server.sql(
        "create table notes (of_order integer references orders (id) deferrable initially deferred);
         grant select, insert on notes to shop_writer_rq",
    );
    let sqlite = rusqlite::Connection::open(stage.harness.dir().join("orders.db")).expect("a database");
    sqlite
        .execute_batch("create table notes (of_order integer references orders (id) deferrable initially deferred)")
        .expect("a table");
    for environment in ["dev", "pg"] {
        let note = |order: u32| within(0, execute(&format!("insert into notes values ({order})")));
        let refused = stage.steps(environment, json!([begin(), note(1), note(77), commit(0)])).await;
        assert_eq!(refused[2], json!({ "affected": 1 }), "{environment}: {refused}");
        assert_eq!(refused[3]["error"]["kind"], "backend", "{environment}: {refused}");
        let kept = stage.steps(environment, json!([begin(), note(1), commit(0)])).await;
        assert_eq!(kept[2], json!("ended"), "{environment}: {kept}");
        let count = stage.steps(environment, json!([begin(), within(0, query("select count(*) from notes"))])).await;
        assert_eq!(number(&count[1]), 1.0, "{environment}");
    }
}
