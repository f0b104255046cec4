//! Whether issuers publish the keys that the configuration expects of them.

use airlock_service::{Config, health};

use super::Check;

const NAME: &str = "published_keys";

/// One check for each issuer whose keys are at a URL. None of them stops a server: it serves the others, and keys that it kept.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    health::published_keys(config).await.into_iter().map(check).collect()
}

fn check(found: health::KeysHealth) -> Check {
    let health::KeysHealth { issuer, url, keys } = found;
    match keys {
        Ok((key_ids, 0)) => Check::ok(NAME, format!("`{issuer}` publishes {}", key_ids.join(", "))),
        Ok((key_ids, skipped)) => {
            let detail = format!("`{issuer}` publishes {}; {skipped} more that are not used", key_ids.join(", "));
            Check::ok(NAME, detail)
        }
        Err(why) => Check::warning(
            NAME,
            format!("`{issuer}` at {url}: {why}"),
            "until that is mended its tokens are refused with `keys_unavailable`, unless the server has kept keys of it",
        ),
    }
}
