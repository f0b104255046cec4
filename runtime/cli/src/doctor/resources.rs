//! Whether the backends that the configuration binds answer.

use airlock_service::{Config, health};

use super::Check;

const NAME: &str = "resource";

/// One check for each binding.
pub(super) async fn checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    Ok(health::resources(config).await?.iter().map(check).collect())
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
