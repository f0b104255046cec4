//! Making and starting a server.

use std::{
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use super::PROGRAMS;
use crate::process::NOBODY;

/// `initdb` and `postgres` refuse to run as root.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(Path::new(PROGRAMS).join(program));
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.stdin(Stdio::null());
    command
}

pub(super) fn give_away(dir: &Path) {
    if rustix::process::getuid().is_root() {
        let inside = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
        for path in inside.chain([dir.to_owned()]) {
            chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
    }
}

pub(super) fn initialise(dir: &Path) {
    let mut initdb = command("initdb");
    initdb.args(["--auth=scram-sha-256", "--username=postgres", "--no-locale", "--encoding=UTF8", "--no-sync"]);
    initdb.arg(format!("--pwfile={}", dir.join("superuser").display())).arg("-D").arg(dir.join("data"));
    let made = initdb.current_dir(dir).output().expect("PostgreSQL 15: run ./scripts/test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

pub(super) fn launch(dir: &Path, port: u16) -> Child {
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
