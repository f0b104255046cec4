//! The server's side of the compile child: starts it, feeds it, and believes nothing it says beyond its bounds.

use std::{os::unix::process::ExitStatusExt as _, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::{CompileLimits, EXIT_REFUSED};

/// Bytes of the child's complaint that are read; the rest is drained and dropped.
const COMPLAINT_BYTES: u64 = 4 << 10;

const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler said no; the text is its own, about the component's bytes.
    #[error("the component does not compile: {0}")]
    Refused(String),
    /// The child was ended by one of its limits.
    #[error("compiling takes more than {allowed} (`[deploy] {setting}` in airlock.toml)")]
    Limit {
        /// The operator's name of the limit.
        setting: &'static str,
        /// What it allows, with its unit.
        allowed: String,
    },
    /// The child could not be started or talked to.
    #[error("the compile process could not be used")]
    Child(#[from] std::io::Error),
}

/// How to start the compile child.
#[derive(Debug, Clone)]
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<String>,
    limits: CompileLimits,
}

impl Compiler {
    /// A compiler that runs `program` with `arguments`, then `--memory-bytes <n> --cpu-s <n>`. The program must call
    /// [`super::limit_this_process`] with the two and end in [`super::child_main`].
    #[must_use]
    pub fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { program, arguments, limits: CompileLimits::BUILT_IN }
    }

    /// The same compiler under other limits.
    #[must_use]
    pub fn limited_to(self, limits: CompileLimits) -> Self {
        Self { limits, ..self }
    }

    /// Compiles one component to the form that [`crate::Program::load`] maps. Dropping the future kills the child.
    ///
    /// # Errors
    /// When the compiler refuses the bytes, or the child meets its limits.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = self.spawn()?;
        let talk = tokio::time::timeout(self.limits.wall_time(), self.talk(&mut child, component)).await;
        let talked = talk.unwrap_or_else(|_elapsed| Err(self.reached("compile_wall_ms")));
        if talked.is_err() {
            // Waited for, so that neither the process nor its entry in the process table outlives this call.
            drop(child.kill().await);
        }
        talked
    }

    async fn talk(&self, child: &mut Child, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async move {
            // A child that died early closes the pipe; its exit status tells the story.
            if let Some(mut stdin) = stdin {
                drop(stdin.write_all(component).await);
            }
        };
        let answer = async {
            let compiled = read_up_to(stdout, self.limits.compiled_bytes.saturating_add(1)).await?;
            if compiled.len() as u64 > self.limits.compiled_bytes {
                return Err(self.reached("compiled_bytes"));
            }
            Ok(compiled)
        };
        let complaint = async { Ok(read_and_drain(stderr, COMPLAINT_BYTES).await?) };
        let ((), compiled, complaint) = tokio::try_join!(
            async {
                feed.await;
                Ok(())
            },
            answer,
            complaint
        )?;
        let status = child.wait().await?;
        match status.code() {
            Some(0) => Ok(compiled),
            Some(EXIT_REFUSED) => Err(CompileError::Refused(printable(&complaint))),
            Some(code) => Err(std::io::Error::other(format!("exit status {code}: {}", printable(&complaint))).into()),
            None => {
                tracing::warn!(%status, stderr = %printable(&complaint), "compile child died");
                let cpu = matches!(status.signal(), Some(SIGXCPU | SIGKILL));
                Err(self.reached(if cpu { "compile_cpu_s" } else { "compile_memory_bytes" }))
            }
        }
    }

    fn reached(&self, setting: &'static str) -> CompileError {
        let CompileLimits { memory_bytes, cpu_s, wall_ms, compiled_bytes } = self.limits;
        let allowed = match setting {
            "compile_wall_ms" => format!("{wall_ms} ms"),
            "compile_cpu_s" => format!("{cpu_s} s of CPU time"),
            "compiled_bytes" => format!("{compiled_bytes} bytes of machine code"),
            _ => format!("{memory_bytes} bytes of memory"),
        };
        CompileError::Limit { setting, allowed }
    }

    /// The child inherits nothing: no variable of ours, no descriptor but its three pipes.
    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .args(self.limits.arguments())
            .env_clear()
            .env("RUST_MIN_STACK", (16 << 20).to_string())
            // Or the allocator makes a GiB writable at once, all of which counts as memory of the child.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn read_up_to(source: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Keeps the first `limit` bytes and lets the writer go on.
async fn read_and_drain(source: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut source) = source {
        (&mut source).take(limit).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// The complaint may quote names out of the component: no control character of theirs reaches a terminal or log.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A shell script in the place of the child.
    fn child(script: &str, limits: CompileLimits) -> Compiler {
        Compiler::new("/bin/sh".into(), vec!["-c".to_owned(), script.to_owned()]).limited_to(limits)
    }

    fn setting(outcome: Result<Vec<u8>, CompileError>) -> &'static str {
        match outcome {
            Err(CompileError::Limit { setting, .. }) => setting,
            other => panic!("no limit: {other:?}"),
        }
    }

    /// Processes whose command line holds `mark`, zombies excluded by their empty command line.
    fn running(mark: &str) -> usize {
        let processes = std::fs::read_dir("/proc").expect("procfs").flatten();
        let line = |dir: std::fs::DirEntry| std::fs::read(dir.path().join("cmdline")).unwrap_or_default();
        processes.map(line).filter(|line| String::from_utf8_lossy(line).contains(mark)).count()
    }

    #[tokio::test]
    async fn what_the_child_writes_is_the_compiled_form() {
        let compiled = child("cat", CompileLimits::BUILT_IN).compile(&[7; 100_000]).await.expect("compiled");
        assert_eq!(compiled, vec![7; 100_000]);
    }

    #[tokio::test]
    async fn a_child_that_never_stops_writing_is_cut_off() {
        let limits = CompileLimits { compiled_bytes: 1 << 20, ..CompileLimits::BUILT_IN };
        let began = Instant::now();
        assert_eq!(setting(child("cat /dev/zero", limits).compile(b"x").await), "compiled_bytes");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_complaint_is_cut_and_cannot_block_the_child() {
        let script = "printf '\\033[31mbad'; head -c 9000000 /dev/zero >&2; exit 3";
        let script = script.replace("printf '\\033[31mbad'", "printf '\\033[31mbad' >&2");
        let Err(CompileError::Refused(text)) = child(&script, CompileLimits::BUILT_IN).compile(b"x").await else {
            panic!("not refused")
        };
        assert!(text.len() <= 4 << 10 && text.contains("bad") && !text.contains(char::is_control), "{text:?}");
    }

    #[tokio::test]
    async fn a_child_that_hangs_is_killed_and_reaped() {
        let limits = CompileLimits { wall_ms: 200, ..CompileLimits::BUILT_IN };
        let compiler = child("exec sleep 7654", limits);
        assert_eq!(setting(compiler.compile(b"x").await), "compile_wall_ms");
        assert_eq!(running("sleep\u{0}7654"), 0);
    }

    #[tokio::test]
    async fn a_compilation_nobody_waits_for_any_more_is_killed() {
        let compiler = child("exec sleep 7655", CompileLimits::BUILT_IN);
        let given_up = tokio::time::timeout(Duration::from_millis(300), compiler.compile(b"x")).await;
        assert!(given_up.is_err(), "still running");
        let deadline = Instant::now() + Duration::from_secs(5);
        while running("sleep\u{0}7655") > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(running("sleep\u{0}7655"), 0);
    }

    #[tokio::test]
    async fn the_signal_tells_which_limit_ended_the_child() {
        for (signal, wanted) in [("XCPU", "compile_cpu_s"), ("KILL", "compile_cpu_s"), ("ABRT", "compile_memory_bytes")]
        {
            let script = format!("kill -{signal} $$");
            assert_eq!(setting(child(&script, CompileLimits::BUILT_IN).compile(b"x").await), wanted, "{signal}");
        }
    }
}
