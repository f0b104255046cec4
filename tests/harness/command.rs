//! `airlock` as people type it: commands that end, and a server whose lines are read.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{airlock_binary, guests::target_dir};

/// For one line, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command with the cache that all tests share.
pub fn airlock_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(airlock_binary());
    command.args(arguments).env("AIRLOCK_CACHE_DIR", target_dir().join("airlock-cache"));
    command
}

/// The status, standard output and standard error of a command.
pub fn outcome(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("airlock runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A server in a process of its own. Ends with this value.
pub struct CommandServer {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl CommandServer {
    /// `airlock serve` on the configuration of a directory.
    pub fn serve(dir: &Path) -> Self {
        let mut command = airlock_command(&["serve", "--config"]);
        command.arg(dir.join("airlock.toml"));
        Self::start(command)
    }

    /// A command that ends up as a server.
    pub fn start(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("airlock starts");
        let errors = BufReader::new(process.stderr.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, lines }
    }

    /// The next line with this text.
    pub fn line(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(why) => panic!("no line with `{text}` ({why}): {seen:#?}"),
            }
        }
    }

    /// The address at the end of such a line.
    pub fn address(&self, of: &str) -> String {
        self.line(of).split(' ').next_back().expect("an address").to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("a running server");
    }
}

impl Drop for CommandServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}
