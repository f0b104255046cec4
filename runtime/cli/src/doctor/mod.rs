//! `airlock doctor`: whether this machine and this configuration can serve, and what to do about what is missing.

mod attempt;
mod configuration;
mod keys;
mod machine;
mod resources;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use airlock_service::{App, Config, isolation::IsolationLevel};
use serde::Serialize;

pub use attempt::main as attempt;

use crate::{args::DoctorOptions, host, output::EXIT_FAILURE, output::Style};

/// Everything found, in a form that stays.
#[derive(Serialize)]
struct Report {
    isolation: Isolation,
    kernel: Kernel,
    machine: machine::Machine,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Isolation {
    asked: IsolationLevel,
    reached: IsolationLevel,
    landlock_abi: Option<u32>,
    seccomp: bool,
}

#[derive(Serialize)]
struct Kernel {
    release: String,
    landlock_abi: Option<u32>,
    seccomp: bool,
    pagemap_scan: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
pub(crate) struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Error,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), fix: None }
    }

    fn warning(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, status: Status::Warning, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn error(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Error, ..Self::warning(name, detail, fix) }
    }
}

/// What the checks are about.
struct Subject {
    config_file: PathBuf,
    config: Option<Config>,
    cache_dir: PathBuf,
}

/// Looks at everything and says so. Exit status 1 when something stops a server.
pub async fn run(options: &DoctorOptions, style: Style) -> anyhow::Result<ExitCode> {
    let loaded = load(&options.config);
    let valid = configuration::valid(&options.config, &loaded);
    let cache_dir = host::cache_dir(options.cache.cache_dir.as_deref())?;
    let subject = Subject { config_file: options.config.clone(), config: loaded.ok(), cache_dir };
    let report = examine(&subject, valid).await?;
    style.print(&report, |out| report.write(out))?;
    let stops = report.checks.iter().any(|check| check.status == Status::Error);
    Ok(if stops { ExitCode::from(EXIT_FAILURE) } else { ExitCode::SUCCESS })
}

/// As a server would: the file, and the keys and credentials that it names.
fn load(config_file: &Path) -> anyhow::Result<Config> {
    App::explain_config(Config::load(config_file)?)?;
    Ok(Config::load(config_file)?)
}

async fn examine(subject: &Subject, valid: Check) -> anyhow::Result<Report> {
    let tried = attempt::spawn(subject)?;
    let asked = subject.config.as_ref().map_or_else(IsolationLevel::default, |config| config.isolation.level);
    let machine = machine::Machine::read();
    let mut checks = vec![valid, attempt::check(asked, &tried), attempt::fast_reset(&tried)];
    checks.extend(machine.checks(subject.config.as_ref()));
    if let Some(config) = &subject.config {
        checks.extend(configuration::checks(config, &subject.config_file));
        checks.extend(keys::checks(config).await);
        checks.extend(resources::checks(config).await?);
    }
    checks.push(configuration::cache(&subject.cache_dir));
    let kernel = Kernel {
        release: rustix::system::uname().release().to_string_lossy().into_owned(),
        landlock_abi: tried.landlock_abi,
        seccomp: tried.seccomp,
        pagemap_scan: tried.pagemap_scan,
    };
    let isolation = Isolation {
        asked,
        reached: asked.min(tried.reached),
        landlock_abi: tried.landlock_abi,
        seccomp: tried.seccomp,
    };
    Ok(Report { isolation, kernel, machine, checks })
}

impl Report {
    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Isolation { asked, reached, landlock_abi, .. } = &self.isolation;
        let abi = landlock_abi.map_or_else(|| "none".to_owned(), |abi| abi.to_string());
        writeln!(out, "Linux {}, Landlock ABI {abi}; isolation asked {asked}, reached {reached}", self.kernel.release)?;
        for Check { name, status, detail, fix } in &self.checks {
            let mark = match status {
                Status::Ok => "ok",
                Status::Warning => "warning",
                Status::Error => "error",
            };
            writeln!(out, "{mark:>8}  {name}: {detail}")?;
            if let Some(fix) = fix {
                writeln!(out, "{:>8}  -> {fix}", "")?;
            }
        }
        Ok(())
    }
}
