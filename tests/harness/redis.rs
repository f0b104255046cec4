//! A real Redis of a test's own: free port, a password, a directory of its own, ended with the test.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The password: it must never be seen by a guest.
pub const REDIS_SECRET: &str = "canary-redis-3c9e11b7";
/// For a server to start or to end, and for anything that has to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Redis {
    dir: TempDir,
    process: Child,
    port: u16,
    transport: Transport,
}

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

impl Redis {
    /// Starts an empty server that keeps nothing.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with settings of its own: `--maxmemory`, `4mb`.
    pub fn start_with(settings: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary directory"), settings, Transport::Plain)
    }

    fn start_in(dir: TempDir, settings: &[&str], transport: Transport) -> Self {
        std::fs::write(dir.path().join("password"), REDIS_SECRET).expect("a file");
        crate::stores::let_others_read(dir.path());
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let process = launch(dir.path(), port, settings, transport);
        let server = Self { dir, process, port, transport };
        server.wait_until_up();
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server and starts another, empty, at the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.process = launch(self.dir.path(), self.port, &[], self.transport);
        self.wait_until_up();
    }

    fn wait_until_up(&self) {
        let end = Instant::now() + PATIENCE;
        while self.ask(&["PING"]) != "PONG" {
            assert!(Instant::now() < end, "the server is up: never");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs one command past everything, and gives what `redis-cli` prints.
    pub fn ask(&self, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--raw"]);
        if self.transport == Transport::Tls {
            cli.args(["--tls", "--insecure"]);
        }
        cli.args(command);
        let output = cli.env("REDISCLI_AUTH", REDIS_SECRET).output().expect("redis-cli: run ./scripts/test");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A binding on loopback without TLS, as TOML below `[resources.<name>.<environment>]`.
    pub fn binding(&self, extra: &str) -> String {
        let defaults = [
            ("host", "host = \"127.0.0.1\"".to_owned()),
            ("port", format!("port = {}", self.port)),
            ("tls", "tls = \"disable\"".to_owned()),
            ("operations", "operations = [\"read\", \"write\"]".to_owned()),
            ("allow_private", "allow_private = [\"127.0.0.1/32\"]".to_owned()),
        ];
        let missing =
            |(key, _): &&(&str, String)| !extra.lines().any(|line| line.trim().starts_with(&format!("{key} =")));
        let defaults: Vec<&str> = defaults.iter().filter(missing).map(|(_, line)| line.as_str()).collect();
        let password = self.dir.path().join("password");
        format!(
            "engine = \"redis\"\nlogin = {{ user = \"default\", password = {{ file = \"{}\" }} }}\n{}\n{extra}\n",
            password.display(),
            defaults.join("\n"),
        )
    }

    /// Starts a server that speaks TLS alone, with a certificate for `localhost` in [`Redis::certificate`].
    pub fn start_with_tls() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        crate::postgres::make_certificate(dir.path());
        let own = |name: &str| dir.path().join(name).display().to_string();
        let (certificate, key) = (own("cert.pem"), own("key.pem"));
        let tls = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
        Self::start_in(dir, &tls, Transport::Tls)
    }

    pub fn certificate(&self) -> String {
        self.dir.path().join("cert.pem").display().to_string()
    }

    /// Lets it answer nothing until [`Redis::thaw`]: its connections stay.
    pub fn freeze(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).expect("it runs");
    }

    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).expect("it runs");
    }

    fn stop(&mut self) {
        // This fails only when it has ended already.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::KILL);
        let _ended = self.process.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(dir: &Path, port: u16, settings: &[&str], transport: Transport) -> Child {
    let mut server = Command::new("redis-server");
    let port = port.to_string();
    let ports = match transport {
        Transport::Plain => ["--port", &port, "--tls-port", "0"],
        Transport::Tls => ["--port", "0", "--tls-port", &port],
    };
    server.args(ports).args(["--bind", "127.0.0.1", "--requirepass", REDIS_SECRET]);
    server.args(["--save", "", "--appendonly", "no"]).args(settings).current_dir(dir);
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    server.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().expect("redis-server: run ./scripts/test")
}
