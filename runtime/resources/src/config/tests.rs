use super::*;

fn resolve(text: &str) -> Result<Binding, String> {
    let read_env = |name: &str| (name == "KEY").then(|| "canary-secret".to_owned());
    let config: BindingConfig = toml::from_str(text).map_err(|why| why.message().to_owned())?;
    config.resolve(&Sources { read_env: &read_env, allow_inline: false }).map_err(|why| why.to_string())
}

fn http(extra: &str) -> Result<Binding, String> {
    let base = if extra.contains("base_url") { "" } else { "base_url = 'https://api.example.com'\n" };
    let operations = if extra.contains("operations") { "" } else { "operations = ['GET:/customers/*']\n" };
    resolve(&format!("engine = 'http'\n{base}{operations}{extra}"))
}

fn refusal(result: Result<Binding, String>) -> String {
    result.err().unwrap_or_else(|| "accepted".to_owned())
}

#[test]
fn complete_bindings_are_accepted() {
    let sqlite = resolve("engine = 'sqlite'\npath = 'orders.db'\noperations = ['read', 'write']").expect("sqlite");
    assert_eq!((sqlite.kind(), sqlite.operations.len()), (ResourceKind::Sql, 2));
    let full = "request_bytes_max = '1MiB'\nresponse_bytes_max = 1000\ntimeout_ms = '5s'\nconnect_timeout_ms = 100
        allow_private = ['127.0.0.1/32', '::1', '10.0.0.0/8']
        credential = { kind = 'header', name = 'x-api-key', value = { env = 'KEY' } }";
    assert_eq!(http(full).map(|binding| binding.kind()), Ok(ResourceKind::Http));
}

#[test]
fn every_credential_kind_is_read_and_never_printed() {
    for credential in [
        "{ kind = 'bearer', value = { env = 'KEY' } }",
        "{ kind = 'basic', username = 'me', value = { env = 'KEY' } }",
        "{ kind = 'header', name = 'x-key', value = { env = 'KEY' } }",
        "{ kind = 'query', name = 'key', value = { env = 'KEY' } }",
        "{ kind = 'oauth2', token_url = 'https://login.example.com/token', client_id = 'me', value = { env = 'KEY' } }",
        "{ kind = 'aws_sigv4', access_key_id = 'A1', region = 'eu-west-1', service = 's3', value = { env = 'KEY' } }",
    ] {
        let binding = http(&format!("credential = {credential}")).expect(credential);
        assert!(!format!("{binding:?}").contains("canary"), "{credential}");
    }
}

#[test]
fn what_widens_a_binding_is_read_strictly() {
    let wide =
        "origins = ['https://*.example.com', 'https://files.example.com:8443']\nredirects_max = 10\nretries_max = 0
        request_types = ['application/json']\ntrace = true\naudit_path = 'hash'";
    assert!(http(wide).is_ok());
    for (extra, part) in [
        ("origins = ['https://*']", "one whole label"),
        ("origins = ['https://files.example.com/x']", "an origin is"),
        ("origins = ['http://files.example.com']", "http://"),
        ("redirects_max = 11", "redirects_max"),
        ("retries_max = 6", "retries_max"),
        ("response_types = ['*/*']", "response_types"),
        ("audit_path = 'none'", "none"),
        ("client_certificate = { certificate = '/nonexistent', key = { env = 'KEY' } }", "cannot be read"),
        (
            "credential = { kind = 'oauth2', token_url = 'http://login.example.com/', client_id = 'me', value = { env = 'KEY' } }",
            "http://",
        ),
        (
            "credential = { kind = 'aws_sigv4', access_key_id = 'A 1', region = 'r', service = 's', value = { env = 'KEY' } }",
            "letters",
        ),
    ] {
        let text = refusal(http(extra));
        assert!(text.contains(part), "{extra}: {text}");
    }
}

#[test]
fn mistakes_in_base_urls_are_named() {
    for (url, part) in [
        ("ftp://example.com", "http:// or https://"),
        ("api.example.com", "not a URL"),
        ("https://me:pw@example.com", "user"),
        ("https://me@example.com", "user"),
        ("https://example.com?x=1", "query"),
        ("https://example.com/#x", "fragment"),
        ("https://example.com/a;b", "path"),
        ("https://exa mple.com", "not a URL"),
        ("https://example.com/\\tx", "not a URL"),
        ("https://", "not a URL"),
    ] {
        let text = refusal(http(&format!("base_url = \"{url}\"")));
        assert!(text.contains("base_url") && text.contains(part), "{url}: {text}");
        assert!(!text.contains("pw"), "{text}");
    }
}

#[test]
fn plaintext_needs_a_listed_host_or_a_word() {
    let refused = refusal(http("base_url = 'http://api.example.com'"));
    assert!(refused.contains("allow_plaintext"), "{refused}");
    assert!(refusal(http("base_url = 'http://127.0.0.1:80'")).contains("allow_plaintext"));
    assert!(refusal(http("base_url = 'http://localhost'\nallow_private = ['10.0.0.0/8']")).contains("allow_plaintext"));
    for accepted in [
        "base_url = 'http://api.example.com'\nallow_plaintext = true",
        "base_url = 'http://127.0.0.1:80'\nallow_private = ['127.0.0.1/32']",
        "base_url = 'http://[::1]:80'\nallow_private = ['::1/128']",
        "base_url = 'http://localhost:80'\nallow_private = ['127.0.0.1/32']",
    ] {
        assert!(http(accepted).is_ok(), "{accepted}: {}", refusal(http(accepted)));
    }
}

#[test]
fn other_mistakes_are_named() {
    for (text, part) in [
        ("operations = []", "operations"),
        ("operations = ['read']", "kind `http`"),
        ("operations = ['GTE']", "GTE"),
        ("allow_private = ['localhost']", "allow_private"),
        ("timeout = 5", "timeout"),
        ("ca_file = '/nonexistent/ca.pem'", "ca_file"),
        ("timeout_ms = '24h'", "amount"),
        ("timeout_ms = 99999999999", "timeout_ms"),
        ("credential = { kind = 'bearer', value = 'canary-secret' }", "configuration itself"),
        ("credential = { kind = 'bearer', value = { env = 'NOPE' } }", "NOPE"),
        ("credential = { kind = 'bearer', vaule = { env = 'KEY' } }", "vaule"),
        ("credential = { kind = 'cookie', value = { env = 'KEY' } }", "cookie"),
        ("credential = { kind = 'header', name = 'a b', value = { env = 'KEY' } }", "header name"),
        ("credential = { kind = 'header', name = 'Host', value = { env = 'KEY' } }", "header name"),
        ("credential = { kind = 'basic', username = 'a:b', value = { env = 'KEY' } }", "username"),
        ("credential = { kind = 'query', name = '', value = { env = 'KEY' } }", "name"),
    ] {
        let refused = refusal(http(text));
        assert!(refused.contains(part), "{text}: {refused}");
        assert!(!refused.contains("canary"), "{refused}");
    }
    for (text, part) in [
        ("path = ':memory:'\noperations = ['read']", "path"),
        ("path = 'file:orders.db?mode=rwc'\noperations = ['read']", "path"),
        ("path = ''\noperations = ['read']", "path"),
        ("path = 'a.db'\noperations = ['GET']", "kind `sql`"),
        ("path = 'a.db'\noperations = ['read']\nvalue_bytes_max = '4GiB'", "value_bytes_max"),
        ("path = 'a.db'\noperations = ['read']\nmode = 'rw'", "mode"),
    ] {
        let refused = refusal(resolve(&format!("engine = 'sqlite'\n{text}")));
        assert!(refused.contains(part), "{text}: {refused}");
    }
    assert!(refusal(resolve("engine = 'oracle'")).contains("oracle"));
}

#[test]
fn a_secret_that_cannot_be_scrubbed_is_refused() {
    let config: BindingConfig = toml::from_str(
        "engine = 'http'\nbase_url = 'https://a.example'\noperations = ['GET']\n\
         credential = { kind = 'bearer', value = 'abc' }",
    )
    .expect("syntax");
    let refused = config.resolve(&Sources { read_env: &|_| None, allow_inline: true });
    assert!(matches!(refused, Err(ConfigError::Credential(rule)) if rule.contains("short")));
}

#[test]
fn bindings_of_stores_are_checked() {
    let redis = |extra: &str| {
        let tls = if extra.contains("tls") { "" } else { "tls = 'disable'\nallow_private = ['127.0.0.1']\n" };
        let host = if extra.contains("host") { "" } else { "host = '127.0.0.1'\n" };
        resolve(&format!("engine = 'redis'\noperations = ['read', 'write']\n{host}{tls}{extra}"))
    };
    let full =
        "database = 3\nport = 6380\nprefix = 'shop:'\nshared = true\nvalue_bytes_max = '1KiB'\nconnections_max = 4
        login = { user = 'shop', password = { env = 'KEY' } }";
    assert_eq!(redis(full).map(|binding| binding.kind()), Ok(ResourceKind::Kv));
    assert_eq!(
        redis("tls = 'verify-full'\nhost = 'redis.example'").map(|binding| binding.kind()),
        Ok(ResourceKind::Kv)
    );
    for (extra, part) in [
        ("tls = 'disable'", "allow_private"),
        ("tls = 'require'", "verify-full"),
        ("host = 'a:6379'", "host name"),
        ("host = 'redis://x'", "host name"),
        ("prefix = 'shop'", "prefix"),
        ("prefix = ''", "prefix"),
        ("value_bytes_max = '1GiB'", "value_bytes_max"),
        ("login = { user = '', password = { env = 'KEY' } }", "login"),
        ("login = { user = 'x', password = { env = 'NOPE' } }", "NOPE"),
        ("login = { user = 'x', password = 'canary-secret' }", "configuration itself"),
        ("url = 'redis://x'", "url"),
    ] {
        let refused = refusal(redis(extra));
        assert!(refused.contains(part) && !refused.contains("canary"), "{extra}: {refused}");
    }
    for (operations, part) in [("['ddl']", "kind `kv`"), ("['GET']", "kind `kv`"), ("[]", "operations")] {
        let refused = refusal(resolve(&format!("engine = 'embedded'\noperations = {operations}")));
        assert!(refused.contains(part), "{operations}: {refused}");
    }
    assert!(refusal(resolve("engine = 'embedded'\noperations = ['read']")).contains("state directory"));
}

#[test]
fn bindings_of_object_stores_are_checked() {
    let s3 = |extra: &str| {
        let missing = |key: &str, line: &'static str| if extra.contains(key) { "" } else { line };
        let base = missing("base_url", "base_url = 'https://s3.example.com'\n");
        let bucket = missing("bucket", "bucket = 'objects'\n");
        let credential = missing("credential", "credential = { access_key_id = 'AKIA', secret = { env = 'KEY' } }\n");
        resolve(&format!("engine = 's3'\noperations = ['read', 'write']\n{base}{bucket}{credential}{extra}"))
    };
    let full = "region = 'eu-central-1'\nprefix = 'apps/shop/'\nshared = true\nsigned_url_ms_max = '5min'\nobject_bytes_max = '1MiB'";
    assert_eq!(s3(full).map(|binding| binding.kind()), Ok(ResourceKind::Blob));
    assert!(!format!("{:?}", s3("")).contains("canary"));
    for (extra, part) in [
        ("base_url = 'http://s3.example.com'", "allow_plaintext"),
        ("base_url = 'https://s3.example.com/bucket'", "bucket"),
        ("base_url = 'https://me:pw@s3.example.com'", "user"),
        ("bucket = 'a/b'", "bucket"),
        ("bucket = '..'", "bucket"),
        ("region = 'a b'", "region"),
        ("prefix = 'shop'", "prefix"),
        ("prefix = '../'", "prefix"),
        ("prefix = '/'", "prefix"),
        ("signed_url_ms_max = 604800001", "signed_url_ms_max"),
        ("object_bytes_max = '1GiB'", "object_bytes_max"),
        ("credential = { access_key_id = 'A/B', secret = { env = 'KEY' } }", "access_key_id"),
        ("credential = { access_key_id = 'A', secret = { env = 'NOPE' } }", "NOPE"),
        ("credential = { access_key_id = 'A', secret = 'canary-secret' }", "configuration itself"),
        ("profile = 'default'", "profile"),
    ] {
        let refused = refusal(s3(extra));
        assert!(refused.contains(part) && !refused.contains("canary"), "{extra}: {refused}");
    }
    for (extra, part) in [
        ("path = ''\noperations = ['read']", "path"),
        ("path = 'files'\noperations = ['ddl']", "kind `blob`"),
        ("path = 'files'\noperations = ['read']\nobject_bytes_max = '1GiB'", "object_bytes_max"),
        ("operations = ['read']", "path"),
    ] {
        let refused = refusal(resolve(&format!("engine = 'directory'\n{extra}")));
        assert!(refused.contains(part), "{extra}: {refused}");
    }
}
