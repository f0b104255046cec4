//! PostgreSQL end to end, through the gate with a guest: who may do what, and what is said to whom.

use airlock_tests::{
    Harness, Options,
    postgres::{NAMES, Postgres, READ_SECRET, WRITE_SECRET},
    process::{NOBODY, Place},
    tokens::TokenSpec,
};
use serde_json::{Value, json};

const COUNT: &str = r#"{"op":"query","statement":"select count(*) as n from orders"}"#;

async fn with_database(server: &Postgres, extra: &str) -> Harness {
    let harness = Harness::start_with(Options { more_config: server.environment(extra) }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");
    harness
}

fn everything() -> TokenSpec {
    TokenSpec::everything().environment("pg")
}

async fn ask(harness: &Harness, op: &str, statement: &str, params: Value) -> Value {
    let call = json!({ "op": op, "statement": statement, "params": params });
    harness.probe(&everything(), &call.to_string()).await
}

#[tokio::test]
async fn a_guest_reads_and_writes_by_its_grants() {
    let server = Postgres::start();
    let harness = with_database(&server, "").await;
    harness.deploy_built("sql-probe").await;
    let answer = harness.probe(&everything(), COUNT).await;
    assert_eq!((&answer["rows"], &answer["columns"][0]["name"]), (&json!([[4]]), &json!("n")));
    let update = "update orders set total = total + 1 where customer = $1";
    assert_eq!(ask(&harness, "execute", update, json!(["ada"])).await["affected"], json!(3));
    assert_eq!(server.sql("select total from orders where id = 1"), "11.50", "it lasts");
    let reader = TokenSpec::only("sql-probe", &["orders-db:read"]).environment("pg");
    let call = json!({ "op": "execute", "statement": update, "params": ["ada"] }).to_string();
    assert_eq!(harness.probe(&reader, &call).await["error"]["reason"], "not_granted");
    assert_eq!(harness.probe(&reader, COUNT).await["rows"], json!([[4]]));
    let said = ask(&harness, "query", "select $1::text as said", json!(["'; drop table orders; --"])).await;
    assert_eq!(said["rows"], json!([["'; drop table orders; --"]]), "values are bound");
    let both = json!({ "op": "query", "statement": "select $1 as a, $2 as b", "params": ["x", "y"] }).to_string();
    let on_sqlite = harness.probe(&TokenSpec::everything(), &both).await;
    assert_eq!(on_sqlite["rows"], json!([["x", "y"]]), "SQLite takes PostgreSQL's placeholders");
}

#[tokio::test]
async fn no_spelling_of_drop_table_drops_it() {
    let server = Postgres::start();
    let harness = with_database(&server, "operations = [\"read\", \"write\", \"ddl\"]").await;
    let spellings = [
        "drop table orders",
        "DROP/**/TABLE orders",
        "drop table \"orders\" cascade",
        "drop table U&\"\\006frders\"",
        "drop schema public cascade",
        "drop owned by shop_owner",
        "drop database shopbase_rq",
        "truncate orders",
        "do $$ begin execute 'drop table orders'; end $$",
        "select drop_orders()",
        "call commit_midway()",
        "select 1; drop table orders",
        "alter table orders rename to gone",
    ];
    for statement in spellings {
        for op in ["query", "execute"] {
            let answer = ask(&harness, op, statement, json!([])).await;
            assert!(answer["error"].is_object(), "{op} {statement}: {answer}");
            assert_eq!(server.sql("select count(*) from orders"), "4", "{op} {statement}");
        }
    }
}

#[tokio::test]
async fn neither_names_nor_secrets_reach_a_guest() {
    let server = Postgres::start();
    let harness = with_database(&server, "operations = [\"read\", \"write\", \"ddl\"]").await;
    let statements = [
        "select * from nowhere",
        "selec",
        "select 1 / 0",
        "select * from pg_authid",
        "select * from pg_shadow",
        "create schema mine",
        "create table mine (a int)",
        "drop table orders",
        "insert into orders values (1, 'x', 0)",
        "alter role shop_reader_rq password 'x'",
        "select $1::uuid",
    ];
    let mut seen = String::new();
    for statement in statements {
        for op in ["query", "execute"] {
            let params = if statement.contains('$') { json!(["nonsense"]) } else { json!([]) };
            let answer = ask(&harness, op, statement, params).await;
            assert!(answer["error"].is_object(), "{op} {statement}: {answer}");
            seen.push_str(&answer.to_string().replace(statement, ""));
        }
    }
    drop(server);
    seen.push_str(&harness.probe(&everything(), COUNT).await.to_string());
    for secret in NAMES.into_iter().chain([READ_SECRET, WRITE_SECRET]) {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    let trail = format!("{:?}", harness.trail().await);
    assert!(!trail.contains(READ_SECRET) && !trail.contains(WRITE_SECRET));
}

#[tokio::test]
async fn provision_prints_what_made_the_roles_and_no_secret() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let provision = |environment: &str| {
        let mut command = std::process::Command::new(airlock_tests::airlock_binary());
        command.args(["resources", "provision", "orders-db", "--environment", environment, "--config"]);
        command.arg(harness.dir().join("airlock.toml")).output().expect("airlock runs")
    };
    let printed = provision("pg");
    let script = String::from_utf8(printed.stdout).expect("text");
    assert!(printed.status.success() && script.contains("CREATE ROLE"), "{script}");
    assert!(!script.contains(READ_SECRET) && !script.contains(WRITE_SECRET), "{script}");
    server.sql(&script);
    let client = server.client("");
    assert_eq!(client.rows("select count(*) from orders", json!([])).await, json!([[4]]), "a second time does no harm");
    let members = "select count(*) from pg_roles where rolname like 'shop_%er_rq' and (rolsuper or rolcreatedb or rolcreaterole \
        or rolreplication or rolbypassrls or rolinherit)";
    assert_eq!(server.sql(members), "0");
    for (environment, part) in [("dev", "only PostgreSQL"), ("nowhere", "is not bound")] {
        let refused = provision(environment);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(part), "{environment}: {said}");
    }
}

#[tokio::test]
async fn a_listing_of_the_configuration_shows_no_password() {
    let server = Postgres::start();
    let inline = |text: &str, role: &str, secret: &str| {
        text.replace(&format!("{{ file = \"{}\" }}", server.path(role).display()), &format!("\"{secret}\""))
    };
    let binding = inline(&inline(&server.environment(""), "reader", READ_SECRET), "writer", WRITE_SECRET);
    let more_config = binding.replace("writes = \"allow\"", "writes = \"allow\"\ndevelopment = true");
    let harness = Harness::start_with(Options { more_config }).await;
    assert!(harness.config().contains(READ_SECRET) && harness.config().contains(WRITE_SECRET));
    let mut command = std::process::Command::new(airlock_tests::airlock_binary());
    command.args(["config", "check", "--explain", "--config"]).arg(harness.dir().join("airlock.toml"));
    let listed = command.output().expect("airlock runs");
    let text = String::from_utf8_lossy(&[listed.stdout, listed.stderr].concat()).into_owned();
    assert!(listed.status.success() && text.contains("resources.orders-db.pg.read.password"), "{text}");
    assert!(!text.contains(READ_SECRET) && !text.contains(WRITE_SECRET), "{text}");
}

/// At L1 the kernel lets the server reach the database's port and its passwords' files.
#[tokio::test]
async fn a_database_is_reached_from_behind_the_wall() {
    let server = Postgres::start();
    let place = Place::make(rustix::process::getuid().is_root().then_some(NOBODY)).await;
    let before = "[resources.orders-db.dev]\nengine = \"sqlite\"\npath = \"data/orders.db\"\noperations = [\"read\", \"write\"]\n";
    place.configure(before, &format!("[resources.orders-db.dev]\n{}", server.binding("host = \"localhost\"")));
    let served = place.serve().await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    served.deploy(&manifest, component).await.expect("deployed");
    let answer = airlock_tests::output(&served.invoke("sql-probe", COUNT).await.expect("answers"));
    assert_eq!(answer["rows"], json!([[4]]), "{answer}");
}
