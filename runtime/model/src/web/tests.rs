use super::*;

fn rule(text: &str) -> &'static str {
    text.parse::<WebUrl>().map_or_else(|why| why.rule(), |_| "accepted")
}

#[test]
fn a_plain_url_is_taken_apart() {
    let url: WebUrl = "HTTPS://API.example.com:8443/v1/a%20b?q=a+b%26&x#part".parse().expect("a URL");
    assert_eq!(url.origin.to_string(), "https://api.example.com:8443");
    assert_eq!(url.path.as_str(), "/v1/a%20b");
    assert_eq!(url.query, [("q".to_owned(), "a b&".to_owned()), ("x".to_owned(), String::new())]);
    let bare: WebUrl = "http://[::1]?a=b".parse().expect("a URL");
    assert_eq!((bare.origin.to_string().as_str(), bare.path.as_str()), ("http://[::1]", "/"));
}

#[test]
fn what_two_parsers_read_differently_is_no_url() {
    for (text, expected) in [
        ("https://example.com\\@evil/", "url_characters"),
        ("https://exa\tmple.com/", "url_characters"),
        ("https://ex\u{e4}mple.com/", "url_characters"),
        ("//example.com/", "url_scheme"),
        ("ftp://example.com/", "url_scheme"),
        ("https:/example.com/", "url_scheme"),
        ("https://a@example.com/", "url_user_info"),
        ("https://a:b@example.com/", "url_user_info"),
        ("https:///path", "url_host"),
        ("https://exa%6dple.com/", "url_host"),
        ("https://a..b/", "url_host"),
        ("https://[::1", "url_host"),
        ("https://[::1%25lo]/", "url_host"),
        ("https://[::1]x/", "url_host"),
        ("https://127.1/", "url_host_spelling"),
        ("https://2130706433/", "url_host_spelling"),
        ("https://0x7f000001/", "url_host_spelling"),
        ("https://0177.0.0.1/", "url_host_spelling"),
        ("https://example.com./", "url_host_spelling"),
        ("https://[::ffff:127.0.0.1]/", "url_host_spelling"),
        ("https://[0:0::1]/", "url_host_spelling"),
        ("https://example.com:/", "url_port"),
        ("https://example.com:0443/", "url_port"),
        ("https://example.com:65536/", "url_port"),
        ("https://example.com:+1/", "url_port"),
        ("https://example.com/a/../b", "path_ambiguous"),
        ("https://example.com/%2e%2e/b", "path_ambiguous"),
        ("https://example.com/a%", "path_malformed"),
        ("https://example.com/?a=%ff", "url_query"),
        ("https://example.com/?a=%+1", "url_query"),
        ("https://127.0.0.1:8080/x", "accepted"),
    ] {
        assert_eq!(rule(text), expected, "{text}");
    }
}

#[test]
fn a_pattern_covers_its_own_origins_and_no_others() {
    let covers = |pattern: &str, url: &str| {
        let pattern: OriginPattern = pattern.parse().expect("a pattern");
        pattern.covers(&url.parse::<WebUrl>().expect("a URL").origin)
    };
    for (pattern, url, expected) in [
        ("https://api.example.com", "https://API.example.com:443/x", true),
        ("https://api.example.com", "http://api.example.com/", false),
        ("https://api.example.com", "https://api.example.com:8443/", false),
        ("https://*.example.com", "https://a.example.com/", true),
        ("https://*.example.com", "https://example.com/", false),
        ("https://*.example.com", "https://a.b.example.com/", false),
        ("https://*.example.com", "https://aexample.com/", false),
        ("https://*.example.com", "https://a.example.com.evil.test/", false),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/", true),
    ] {
        assert_eq!(covers(pattern, url), expected, "{pattern} {url}");
    }
}

#[test]
fn a_pattern_is_an_origin_with_at_most_its_first_label_open() {
    for text in
        ["https://*", "https://*.com", "https://a.*.com", "https://*.1.2.3", "https://*a.example.com", "*.example.com"]
    {
        assert!(text.parse::<OriginPattern>().is_err(), "{text}");
    }
    for text in ["https://a.example/", "https://a.example?x", "https://u@a.example"] {
        assert!(text.parse::<OriginPattern>().is_err(), "{text}");
    }
    let text = "https://*.example.com:8443";
    assert_eq!(text.parse::<OriginPattern>().expect("a pattern").to_string(), text);
}
