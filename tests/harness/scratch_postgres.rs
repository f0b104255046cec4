//! A real PostgreSQL 15 for one test: its own directory, a Unix socket alone, gone with the test.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Debian's place for PostgreSQL 15, which `./scripts/test` installs.
const BIN: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;
/// A machine that steals its processors needs this long to start a server.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A running server.
pub struct ScratchPostgres {
    dir: TempDir,
    server: Child,
}

impl ScratchPostgres {
    /// Starts a server with the superuser `postgres`.
    pub fn start(settings: &[&str]) -> Self {
        let bin = Path::new(BIN);
        let dir = TempDir::with_prefix("airlock-postgres-").expect("a directory");
        let data = dir.path().join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let mut server = Command::new(bin.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        server.args(settings.iter().flat_map(|setting| ["-c", setting]));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).expect("root may");
            initdb.uid(NOBODY).gid(NOBODY);
            server.uid(NOBODY).gid(NOBODY);
        }
        let made = initdb.stdout(Stdio::null()).current_dir(dir.path()).status().expect("initdb runs");
        assert!(made.success(), "initdb ended with {made}");
        let log = std::fs::File::create(dir.path().join("log")).expect("a log");
        let server = server.stdout(Stdio::null()).stderr(log).current_dir(dir.path()).spawn().expect("postgres runs");
        Self { dir, server }
    }

    /// Where the socket lies; the port is the usual 5432.
    pub fn socket_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Tries `connect` until the server answers.
    pub async fn until_up<T, E: std::fmt::Debug>(&self, connect: impl AsyncFn() -> Result<T, E>) -> T {
        let began = Instant::now();
        loop {
            match connect().await {
                Ok(connected) => return connected,
                Err(error) if began.elapsed() > START_TIME_MAX => panic!("the server is not up: {error:?}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for ScratchPostgres {
    fn drop(&mut self) {
        // SIGKILL would leave its children and its shared memory behind.
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.server.id()).unwrap_or_default()) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ended = self.server.wait();
    }
}
