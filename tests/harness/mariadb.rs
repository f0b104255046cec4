//! A real MariaDB of a test's own: free port, directory of its own, TLS, ended with the test.

mod cluster;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use airlock_resources::BindingConfig;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

pub use crate::postgres::{Client, NAMES, READ_SECRET, WRITE_SECRET, statement};
use crate::postgres::{give_away, make_certificate};
use cluster::{initialise, launch};

/// An account that sees what runs.
const WATCHER: &str = "watcher";
/// For a server to end a statement, and for anything that has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with the sample database `shopbase_rq`, its accounts as `airlock resources provision` makes them.
pub struct Mariadb {
    dir: TempDir,
    process: Child,
    port: u16,
}

impl Mariadb {
    /// Starts a server and fills it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        make_certificate(dir.path());
        for (name, text) in [("reader", READ_SECRET), ("writer", WRITE_SECRET)] {
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
        let end = Instant::now() + PATIENCE;
        while let Err(why) = self.client_program("mysql", "SELECT 1") {
            assert!(Instant::now() < end, "the server is not up: {why}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn fill(&self) {
        self.sql_in("mysql", &format!("CREATE DATABASE {} CHARACTER SET utf8mb4", NAMES[2]));
        self.sql(include_str!("mariadb/shop.sql"));
        let provisioning = self.config("operations = [\"read\", \"write\"]").provisioning().expect("accounts");
        self.sql(&provisioning);
        self.unlock();
        self.sql(&format!("CREATE USER '{WATCHER}'@'%' IDENTIFIED BY '{READ_SECRET}'"));
        self.sql(&format!(
            "GRANT PROCESS ON *.* TO '{WATCHER}'@'%'; GRANT SELECT ON {}.* TO '{WATCHER}'@'%'",
            NAMES[2]
        ));
    }

    /// What the administrator does after provisioning.
    pub fn unlock(&self) {
        for (account, secret) in [(NAMES[0], READ_SECRET), (NAMES[1], WRITE_SECRET)] {
            self.sql(&format!("ALTER USER '{account}'@'%' IDENTIFIED BY '{secret}' ACCOUNT UNLOCK"));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs SQL as the administrator, past everything, and gives its rows: a tab between columns.
    pub fn sql(&self, text: &str) -> String {
        self.sql_in(NAMES[2], text)
    }

    fn sql_in(&self, database: &str, text: &str) -> String {
        self.client_program(database, text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn client_program(&self, database: &str, text: &str) -> Result<String, String> {
        let mut command = Command::new("/usr/bin/mariadb");
        command.args([
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--user=root",
            "--default-character-set=utf8mb4",
        ]);
        command.arg(format!("--socket={}", self.path("socket").display())).arg(database);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("MariaDB's client: run ./scripts/test");
        let written = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes());
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        written.map_err(|why| format!("{why}: {said}"))?;
        if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()) } else { Err(said) }
    }

    /// Waits until so many statements of our accounts run, looking every few milliseconds, and gives how long that took.
    pub async fn wait_until_running(&self, count: u64) -> Duration {
        let text = "select count(*) from information_schema.processlist where user like 'shop%' and command <> 'Sleep'";
        let watcher = Client::of(&self.binding("operations = [\"read\"]").replace(NAMES[0], WATCHER));
        watcher.rows(text, json!([])).await;
        let began = Instant::now();
        loop {
            let found = watcher.rows(text, json!([])).await;
            if found == json!([[count]]) {
                return began.elapsed();
            }
            assert!(began.elapsed() < PATIENCE, "{text}: {found}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn wait_until_idle(&self) -> Duration {
        self.wait_until_running(0).await
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
            "engine = \"mysql\"\ndatabase = \"{}\"\nallow_private = [\"127.0.0.1/32\", \"::1/128\"]\n\
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

    /// An environment `maria` in which `orders-db` is this database, for a harness's configuration.
    pub fn environment(&self, extra: &str) -> String {
        format!(
            "[environments.maria]\nwrites = \"allow\"\n[resources.orders-db.maria]\n{}\n[resources.crm.maria]\n\
             engine = \"http\"\nbase_url = \"https://crm.example\"\noperations = [\"GET\", \"POST:/echo\"]\n",
            self.binding(extra)
        )
    }

    pub fn config(&self, extra: &str) -> BindingConfig {
        toml::from_str(&self.binding(extra)).expect("a binding")
    }

    /// A client of the database, without a gate before it.
    pub fn client(&self, extra: &str) -> Client {
        Client::of(&self.binding(extra))
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        // At once: nothing of it is kept. Both fail only when it has ended already.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::KILL);
        let _ended = self.process.wait();
    }
}
