//! A real PostgreSQL 15 of a test's own: free port, directory of its own, TLS, ended with the test.

mod client;
mod cluster;

use std::{
    fmt::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use airlock_resources::BindingConfig;
use serde_json::json;

pub use client::{Client, statement};
pub use cluster::Cluster;
pub(crate) use cluster::{give_away, make_certificate};

/// Passwords of the roles: they must never be seen by a guest.
pub const READ_SECRET: &str = "canary-read-5d1c0e77";
pub const WRITE_SECRET: &str = "canary-write-91ab34f2";
/// Names that must never be seen by a guest either.
pub const NAMES: [&str; 4] = ["shop_reader_rq", "shop_writer_rq", "shopbase_rq", "127.0.0.1"];

/// For a server to start or to end, and for anything that has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with the sample database `shopbase_rq`, its roles as `airlock resources provision` makes them.
pub struct Postgres {
    cluster: Cluster,
}

impl Postgres {
    /// Starts a server and fills it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings written `name=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        let server = Self { cluster: Cluster::start(&[("reader", READ_SECRET), ("writer", WRITE_SECRET)], settings) };
        server.fill();
        server
    }

    fn fill(&self) {
        self.cluster.sql("postgres", "CREATE ROLE shop_owner; CREATE DATABASE shopbase_rq OWNER shop_owner");
        self.sql(include_str!("shop.sql"));
        let provisioning = self.config("").provisioning().expect("roles");
        self.sql(&provisioning);
        let mut passwords = String::new();
        for (role, secret) in [(NAMES[0], READ_SECRET), (NAMES[1], WRITE_SECRET)] {
            writeln!(passwords, "ALTER ROLE {role} PASSWORD '{secret}';").expect("a text");
        }
        self.sql(&passwords);
    }

    pub fn port(&self) -> u16 {
        self.cluster.port()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.cluster.dir().join(name)
    }

    /// Runs SQL as the superuser, past everything, and gives its rows: `|` between columns.
    pub fn sql(&self, text: &str) -> String {
        self.cluster.sql("shopbase_rq", text)
    }

    /// Waits until so many statements of our roles run, looking every few milliseconds, and gives how long that took.
    pub async fn wait_until_running(&self, count: u64) -> Duration {
        let text = "select count(*) from pg_stat_activity where usename like 'shop%' and state <> 'idle'";
        self.wait_until(text, count).await
    }

    pub async fn wait_until_idle(&self) -> Duration {
        self.wait_until_running(0).await
    }

    /// Waits until a query of the superuser's gives a number. Asks over one connection and lets this thread's own tasks go on.
    pub async fn wait_until(&self, text: &str, wanted: u64) -> Duration {
        let [reader, writer] = [NAMES[0], NAMES[1]];
        let superuser = self.binding("").replace(reader, "postgres").replace("/reader\"", "/superuser\"");
        let watcher = self.client_of(&superuser.replace(writer, "nobody"));
        watcher.rows(text, json!([])).await;
        let began = Instant::now();
        loop {
            let found = watcher.rows(text, json!([])).await;
            if found == json!([[wanted]]) {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{text}: {found}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A binding on loopback without TLS, as TOML below `[resources.<name>.<environment>]`.
    pub fn binding(&self, extra: &str) -> String {
        let defaults = [
            ("host", "host = \"127.0.0.1\"".to_owned()),
            ("port", format!("port = {}", self.port())),
            ("tls", "tls = \"disable\"".to_owned()),
            ("operations", "operations = [\"read\", \"write\"]".to_owned()),
        ];
        let missing =
            |(key, _): &&(&str, String)| !extra.lines().any(|line| line.trim().starts_with(&format!("{key} =")));
        let defaults: Vec<&str> = defaults.iter().filter(missing).map(|(_, line)| line.as_str()).collect();
        format!(
            "engine = \"postgres\"\ndatabase = \"{}\"\nallow_private = [\"127.0.0.1/32\", \"::1/128\"]\n\
             read = {{ user = \"{}\", password = {{ file = \"{}\" }} }}\n\
             write = {{ user = \"{}\", password = {{ file = \"{}\" }} }}\n{}\n{extra}\n",
            NAMES[2],
            NAMES[0],
            self.path("reader").display(),
            NAMES[1],
            self.path("writer").display(),
            defaults.join("\n"),
        )
    }

    /// An environment `pg` in which `orders-db` is this database, for a harness's configuration.
    pub fn environment(&self, extra: &str) -> String {
        format!(
            "[environments.pg]\nwrites = \"allow\"\n[resources.orders-db.pg]\n{}\n[resources.crm.pg]\n\
             engine = \"http\"\nbase_url = \"https://crm.example\"\noperations = [\"GET\", \"POST:/echo\"]\n",
            self.binding(extra)
        )
    }

    fn config(&self, extra: &str) -> BindingConfig {
        toml::from_str(&self.binding(extra)).expect("a binding")
    }

    /// A client of the database, without a gate before it.
    pub fn client(&self, extra: &str) -> Client {
        self.client_of(&self.binding(extra))
    }

    /// A client by a whole binding.
    pub fn client_of(&self, binding: &str) -> Client {
        Client::of(binding)
    }
}
