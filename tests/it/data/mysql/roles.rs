//! MySQL end to end, through the gate with a guest: who may do what, and what is said to whom.

use airlock_tests::{
    Harness, Options,
    mariadb::{Mariadb, NAMES, READ_SECRET, WRITE_SECRET, statement},
    process::{NOBODY, Place},
    tokens::TokenSpec,
};
use serde_json::{Value, json};

const COUNT: &str = r#"{"op":"query","statement":"select count(*) as n from orders"}"#;

async fn with_database(server: &Mariadb, extra: &str) -> Harness {
    let harness = Harness::start_with(Options { more_config: server.environment(extra) }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("maria", &manifest, component).await.expect("deployed");
    harness
}

fn everything() -> TokenSpec {
    TokenSpec::everything().environment("maria")
}

async fn ask(harness: &Harness, op: &str, statement: &str, params: Value) -> Value {
    let call = json!({ "op": op, "statement": statement, "params": params });
    harness.probe(&everything(), &call.to_string()).await
}

#[tokio::test]
async fn a_guest_reads_and_writes_by_its_grants() {
    let server = Mariadb::start();
    let harness = with_database(&server, "").await;
    let answer = harness.probe(&everything(), COUNT).await;
    assert_eq!((&answer["rows"], &answer["columns"][0]["name"]), (&json!([[4]]), &json!("n")));
    let update = "update orders set total = total + 1 where customer = ?";
    assert_eq!(ask(&harness, "execute", update, json!(["ada"])).await["affected"], json!(3));
    assert_eq!(server.sql("select total from orders where id = 1"), "11.50", "it lasts");
    let same = "update orders set customer = customer where customer = ?";
    assert_eq!(ask(&harness, "execute", same, json!(["ada"])).await["affected"], json!(3), "rows found");
    let reader = TokenSpec::only("sql-probe", &["orders-db:read"]).environment("maria");
    let call = json!({ "op": "execute", "statement": update, "params": ["ada"] }).to_string();
    assert_eq!(harness.probe(&reader, &call).await["error"]["reason"], "not_granted");
    assert_eq!(harness.probe(&reader, COUNT).await["rows"], json!([[4]]));
    let twice = ask(&harness, "execute", "insert into orders values (1, 'x', 0)", json!([])).await;
    assert_eq!(twice["error"]["code"], "23000", "{twice}");
    let said = ask(&harness, "query", "select ? as said", json!(["'; drop table orders; --"])).await;
    assert_eq!(said["rows"], json!([["'; drop table orders; --"]]), "values are bound");
    let numbered = ask(&harness, "query", "select $2 as a, $1 as b, '$1' as c", json!(["x", "y"])).await;
    assert_eq!(numbered["rows"], json!([["y", "x", "$1"]]), "PostgreSQL's placeholders are taken");
}

/// DDL commits by itself, so it has no transaction; without the grant it is not even sent.
#[tokio::test]
async fn the_schema_changes_with_the_grant_alone() {
    let server = Mariadb::start();
    let ddl = "operations = [\"read\", \"write\", \"ddl\"]";
    server.sql(&server.config(ddl).provisioning().expect("accounts"));
    let client = server.client(ddl);
    let create = statement(airlock_model::StatementClass::Ddl, "create table mine (a int)", &json!([]));
    client.perform(create).await.expect("created");
    assert_eq!(client.write("insert into mine values (1), (2)", json!([])).await, Ok(2));
    for text in ["drop table mine", "create user eve", "alter user current_user() identified by 'x'"] {
        let request = statement(airlock_model::StatementClass::Ddl, text, &json!([]));
        assert!(client.perform(request).await.is_err(), "{text}");
    }
    let harness = with_database(&server, "").await;
    let refused = ask(&harness, "execute", "create table other (a int)", json!([])).await;
    assert_eq!(refused["error"]["reason"], "not_granted", "{refused}");
    assert_eq!(server.sql("select count(*) from mine"), "2");
}

#[tokio::test]
async fn no_spelling_of_drop_table_drops_it() {
    let server = Mariadb::start();
    let ddl = "operations = [\"read\", \"write\", \"ddl\"]";
    server.sql(&server.config(ddl).provisioning().expect("accounts"));
    let harness = with_database(&server, ddl).await;
    let spellings = [
        "drop table orders",
        "DROP/**/TABLE orders",
        "drop table `orders` cascade",
        "drop table `shopbase_rq`.`orders`",
        "/*!50000 drop table orders */",
        "drop /*!50000 table */ orders",
        "drop database shopbase_rq",
        "drop schema shopbase_rq",
        "truncate orders",
        "truncate table orders",
        "call drop_orders()",
        "execute immediate 'drop table orders'",
        "select 1; drop table orders",
        "create or replace table orders (a int)",
        "alter table orders rename to gone",
        "rename table orders to gone",
        "begin not atomic drop table orders; end",
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
    let server = Mariadb::start();
    let harness = with_database(&server, "operations = [\"read\", \"write\", \"ddl\"]").await;
    let statements = [
        "select * from nowhere",
        "selec",
        "select nowhere from orders",
        "select * from mysql.user",
        "select * from information_schema.processlist",
        "show grants",
        "show tables",
        "show processlist",
        "select user()",
        "select current_user",
        "select database()",
        "select @@hostname",
        "create database mine",
        "create table mine (a int)",
        "drop table orders",
        "insert into orders values (1, 'x', 0)",
        "insert into orders values (7, 'x', ?)",
        "alter user shop_reader_rq identified by 'x'",
        "select frob(1)",
    ];
    let mut seen = String::new();
    for statement in statements {
        for op in ["query", "execute"] {
            let params = if statement.contains('?') { json!(["nonsense"]) } else { json!([]) };
            let answer = ask(&harness, op, statement, params).await;
            // What is called with `execute` may run, and says no more than that.
            assert!(answer["error"].is_object() || answer == json!({ "affected": 0 }), "{op} {statement}: {answer}");
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
async fn provision_prints_what_made_the_accounts_and_no_secret() {
    let server = Mariadb::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let mut command = std::process::Command::new(airlock_tests::airlock_binary());
    command.args(["resources", "provision", "orders-db", "--environment", "maria", "--config"]);
    let printed = command.arg(harness.dir().join("airlock.toml")).output().expect("airlock runs");
    let script = String::from_utf8(printed.stdout).expect("text");
    assert!(printed.status.success() && script.contains("CREATE USER"), "{script}");
    assert!(!script.contains(READ_SECRET) && !script.contains(WRITE_SECRET), "{script}");
    server.sql(&script);
    let client = server.client("");
    assert_eq!(client.rows("select count(*) from orders", json!([])).await, json!([[4]]), "a second time does no harm");
    let grants =
        format!("{}\n{}", server.sql("show grants for shop_reader_rq"), server.sql("show grants for shop_writer_rq"));
    for never in ["FILE", "SUPER", "PROCESS", "EXECUTE", "DROP", "ALL PRIVILEGES", "GRANT OPTION", "LOCK TABLES"] {
        assert!(!grants.contains(never), "{never}: {grants}");
    }
    assert!(grants.contains("GRANT USAGE ON *.*") && grants.contains("`shopbase\\\\_rq`"), "{grants}");
}

/// A `_` in a grant stands for any letter.
#[tokio::test]
async fn a_database_with_a_similar_name_is_out_of_reach() {
    let server = Mariadb::start();
    server.sql("create database shopbaseXrq; create table shopbaseXrq.theirs (a int)");
    let refused = server.client("").read("select * from shopbaseXrq.theirs", json!([])).await;
    assert!(matches!(refused, Err(airlock_model::HostError::Backend { .. })), "{refused:?}");
}

/// At L1 the kernel lets the server reach the database's port and its passwords' files.
#[tokio::test]
async fn a_database_is_reached_from_behind_the_wall() {
    let server = Mariadb::start();
    let place = Place::make(rustix::process::getuid().is_root().then_some(NOBODY)).await;
    let before = "[resources.orders-db.dev]\nengine = \"sqlite\"\npath = \"data/orders.db\"\noperations = [\"read\", \"write\"]\n";
    place.configure(before, &format!("[resources.orders-db.dev]\n{}", server.binding("host = \"localhost\"")));
    let served = place.serve().await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    served.deploy(&manifest, component).await.expect("deployed");
    let answer = airlock_tests::output(&served.invoke("sql-probe", COUNT).await.expect("answers"));
    assert_eq!(answer["rows"], json!([[4]]), "{answer}");
}
