//! Whether the backends that the configuration binds answer.

use airlock_service::{Config, health};

use super::Check;

const NAME: &str = "resource";

/// One check for each binding.
pub(super) fn checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answers = runtime.block_on(health::resources(config))?;
    Ok(answers.iter().map(check).collect())
}

fn check(answer: &health::Health) -> Check {
    let binding = format!("`{}` in `{}`", answer.resource, answer.environment);
    match &answer.failure {
        None => Check::ok(NAME, format!("{binding} answers ({} ms)", answer.took.as_millis())),
        Some(why) => Check::warning(
            NAME,
            format!("{binding}: {why}"),
            format!(
                "see the lines above, and [resources.{}.{}] of the configuration",
                answer.resource, answer.environment
            ),
        ),
    }
}
