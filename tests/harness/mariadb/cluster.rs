//! Making and starting a server.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::process::NOBODY;

const SERVER: &str = "/usr/sbin/mariadbd";

/// The server refuses to run as root.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Nothing of the machine's own configuration, above all not where its data lie.
    command.arg("--no-defaults");
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.stdin(Stdio::null());
    command
}

pub(super) fn initialise(dir: &Path) {
    let mut install = command("/usr/bin/mariadb-install-db");
    install.arg(format!("--datadir={}", dir.join("data").display()));
    install.arg(format!("--tmpdir={}", dir.join("data").display()));
    install.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
    install.args(["--innodb-log-file-size=4M", "--innodb-flush-method=nosync"]);
    let made = install.current_dir(dir).env("HOME", dir).output().expect("MariaDB: run ./scripts/test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

pub(super) fn launch(dir: &Path, port: u16) -> Child {
    let mut server = command(SERVER);
    let own = |name: &str| dir.join(name).display().to_string();
    for (setting, value) in [
        ("datadir", own("data")),
        ("socket", own("socket")),
        // A server that starts throws away what lies in it, and others may run.
        ("tmpdir", own("data")),
        ("pid-file", own("pid")),
        ("bind-address", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("innodb-log-file-size", "4M".to_owned()),
        ("innodb-buffer-pool-size", "16M".to_owned()),
        ("innodb-flush-method", "nosync".to_owned()),
        ("max-connections", "60".to_owned()),
        ("max-allowed-packet", "512M".to_owned()),
        ("secure-file-priv", String::new()),
        ("ssl-cert", own("cert.pem")),
        ("ssl-key", own("key.pem")),
    ] {
        server.arg(format!("--{setting}={value}"));
    }
    server.args(["--skip-name-resolve", "--skip-log-bin"]);
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    server.current_dir(dir).stdout(Stdio::null()).stderr(log).spawn().expect("a server")
}
