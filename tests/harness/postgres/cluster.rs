//! A PostgreSQL 15 of a test's own: made, started, and ended with the test.

use std::{
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;
use crate::process::NOBODY;

/// Debian's place for PostgreSQL 15, which `./scripts/test` installs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
const SUPERUSER_SECRET: &str = "superuser-of-a-test";

/// A running server with the superuser `postgres`. TCP on loopback asks for passwords; the socket in its directory does not.
pub struct Cluster {
    dir: TempDir,
    process: Child,
    port: u16,
}

impl Cluster {
    /// Starts a server with files of these names and texts in its directory, and with settings written `name=value`.
    pub fn start(files: &[(&str, &str)], settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        make_certificate(dir.path());
        for (name, text) in files.iter().chain(&[("superuser", SUPERUSER_SECRET)]) {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        give_away(dir.path());
        initialise(dir.path());
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let process = launch(dir.path(), port, settings);
        let cluster = Self { dir, process, port };
        cluster.wait_until_up();
        cluster
    }

    fn wait_until_up(&self) {
        let end = Instant::now() + PATIENCE;
        while let Err(why) = self.psql("postgres", "SELECT 1") {
            assert!(Instant::now() < end, "the server is not up: {why}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Where everything of it lies, its socket too.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as the superuser and gives its rows: `|` between columns.
    pub fn sql(&self, database: &str, text: &str) -> String {
        self.psql(database, text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    fn psql(&self, database: &str, text: &str) -> Result<String, String> {
        let mut command = Command::new(Path::new(PROGRAMS).join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-f", "-"]);
        command.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql");
        let written = std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes());
        let output = child.wait_with_output().expect("an end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        written.map_err(|why| format!("{why}: {said}"))?;
        if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()) } else { Err(said) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At once, and its children and its shared memory with it. All of this fails only when it has ended already.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::QUIT);
        let _ended = self.process.wait();
    }
}

/// `initdb` and `postgres` refuse to run as root.
fn command(program: &str) -> Command {
    let mut command = Command::new(Path::new(PROGRAMS).join(program));
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn give_away(dir: &Path) {
    if rustix::process::getuid().is_root() {
        let inside = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
        for path in inside.chain([dir.to_owned()]) {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
    }
}

fn initialise(dir: &Path) {
    let mut initdb = command("initdb");
    initdb.args(["--auth-host=scram-sha-256", "--auth-local=trust", "--username=postgres"]);
    initdb.args(["--no-locale", "--encoding=UTF8", "--no-sync"]);
    initdb.arg(format!("--pwfile={}", dir.join("superuser").display())).arg("-D").arg(dir.join("data"));
    let made = initdb.current_dir(dir).output().expect("PostgreSQL 15: run ./scripts/test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn launch(dir: &Path, port: u16, settings: &[&str]) -> Child {
    let mut postgres = command("postgres");
    postgres.arg("-D").arg(dir.join("data"));
    let own = |name: &str| dir.join(name).display().to_string();
    for (setting, value) in [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", dir.display().to_string()),
        ("fsync", "off".to_owned()),
        ("max_connections", "60".to_owned()),
        ("shared_buffers", "16MB".to_owned()),
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", own("cert.pem")),
        ("ssl_key_file", own("key.pem")),
    ] {
        postgres.arg("-c").arg(format!("{setting}={value}"));
    }
    postgres.args(settings.iter().flat_map(|setting| ["-c", setting]));
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    postgres.current_dir(dir).stdout(Stdio::null()).stderr(log).spawn().expect("a server")
}

/// A certificate for `localhost`, made anew so that no key lies in the repository.
pub(crate) fn make_certificate(dir: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args([
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=CA:FALSE",
    ]);
    openssl.arg("-keyout").arg(dir.join("key.pem")).arg("-out").arg(dir.join("cert.pem"));
    let made = openssl.output().expect("openssl: run ./scripts/test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(dir.join("key.pem"), private).expect("permissions");
}
