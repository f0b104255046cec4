//! A real PostgreSQL 15 of a test's own: free port, directory of its own, TLS, ended with the test.

mod client;
mod cluster;

use std::{
    fmt::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use airlock_model::EnvironmentName;
use airlock_resources::{BindingConfig, Resources, Sources};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

pub use client::{Client, statement};
pub(crate) use cluster::make_certificate;
use cluster::{give_away, initialise, launch};

/// Passwords of the roles: they must never be seen by a guest.
pub const READ_SECRET: &str = "canary-read-5d1c0e77";
pub const WRITE_SECRET: &str = "canary-write-91ab34f2";
/// Names that must never be seen by a guest either.
pub const NAMES: [&str; 4] = ["shop_reader_rq", "shop_writer_rq", "shopbase_rq", "127.0.0.1"];

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const SUPERUSER_SECRET: &str = "superuser-of-a-test";
/// For a server to start or to end, and for anything that has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with the sample database `shopbase_rq`, its roles as `airlock resources provision` makes them.
pub struct Postgres {
    dir: TempDir,
    process: Child,
    port: u16,
}

impl Postgres {
    /// Starts a server and fills it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        make_certificate(dir.path());
        for (name, text) in [("superuser", SUPERUSER_SECRET), ("reader", READ_SECRET), ("writer", WRITE_SECRET)] {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        give_away(dir.path());
        initialise(dir.path());
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let process = launch(dir.path(), port);
        let server = Self { dir, process, port };
        server.wait_until_up();
        server.fill();
        server
    }

    fn wait_until_up(&self) {
        until("the server is up", || self.psql("postgres", "SELECT 1").is_ok());
    }

    fn fill(&self) {
        self.sql_in("postgres", "CREATE ROLE shop_owner; CREATE DATABASE shopbase_rq OWNER shop_owner");
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
        self.port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs SQL as the superuser, past everything, and gives its rows: `|` between columns.
    pub fn sql(&self, text: &str) -> String {
        self.sql_in("shopbase_rq", text)
    }

    fn sql_in(&self, database: &str, text: &str) -> String {
        self.psql(database, text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn psql(&self, database: &str, text: &str) -> Result<String, String> {
        let mut command = Command::new(Path::new(PROGRAMS).join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-f", "-"]);
        command.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string()]);
        command.env("PGPASSWORD", SUPERUSER_SECRET).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql");
        let written = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes());
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        written.map_err(|why| format!("{why}: {said}"))?;
        if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()) } else { Err(said) }
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
            ("port", format!("port = {}", self.port)),
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
        let environment: EnvironmentName = "dev".parse().expect("a name");
        let sources = Sources { read_env: &|_| None, allow_inline: false };
        let binding: BindingConfig = toml::from_str(binding).expect("a binding");
        let binding = binding.resolve(&sources).expect("a valid binding");
        let mut resources = Resources::new();
        resources.add("orders-db".parse().expect("a name"), environment.clone(), binding, &[]).expect("added");
        Client { resources, environment }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, and its children with it. All of this fails only when it has ended already.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::QUIT);
        let _ended = self.process.wait();
    }
}

/// Waits for something, within reason.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: never");
        std::thread::sleep(Duration::from_millis(10));
    }
}
