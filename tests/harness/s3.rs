//! A server that speaks S3 of a test's own, moto, with botocore judging every signature: free port, ended with the test.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::guests::{root, target_dir};

/// The secret: it must never be seen by a guest.
pub const S3_SECRET: &str = "canary-s3-8d2f6a10";
/// What errors must never name either.
pub const S3_NAMES: [&str; 3] = ["objects-rq", "KEYRQ", "127.0.0.1"];

/// A running server with an empty bucket.
pub struct S3 {
    dir: TempDir,
    process: Child,
    port: u16,
}

impl S3 {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("secret"), S3_SECRET).expect("a file");
        crate::stores::let_others_read(dir.path());
        let mut python = Command::new(target_dir().join("moto/bin/python"));
        python.arg(root().join("tests/harness/s3.py")).args([S3_NAMES[1], S3_SECRET, S3_NAMES[0]]);
        let log = std::fs::File::create(dir.path().join("log")).expect("a log");
        let python = python.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = python.spawn().expect("moto: run ./scripts/test");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("moto says its port: run ./scripts/test");
        Self { dir, process, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A binding on loopback, as TOML below `[resources.<name>.<environment>]`.
    pub fn binding(&self, extra: &str) -> String {
        let defaults = [
            ("base_url", format!("base_url = \"http://127.0.0.1:{}\"", self.port)),
            ("operations", "operations = [\"read\", \"write\"]".to_owned()),
            ("allow_private", "allow_private = [\"127.0.0.1/32\"]\nallow_plaintext = true".to_owned()),
        ];
        let missing =
            |(key, _): &&(&str, String)| !extra.lines().any(|line| line.trim().starts_with(&format!("{key} =")));
        let defaults: Vec<&str> = defaults.iter().filter(missing).map(|(_, line)| line.as_str()).collect();
        format!(
            "engine = \"s3\"\nbucket = \"objects-rq\"\n\
             credential = {{ access_key_id = \"KEYRQ\", secret = {{ file = \"{}\" }} }}\n{}\n{extra}\n",
            self.dir.path().join("secret").display(),
            defaults.join("\n"),
        )
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // This fails only when it has ended already.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// Reads a URL as anybody would who has it: status and body.
pub async fn fetch(url: &str) -> (u16, String) {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = tokio::net::TcpStream::connect(authority).await.expect("connected");
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
