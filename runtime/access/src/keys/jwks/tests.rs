use serde_json::json;

use super::*;
use crate::{Algorithm, SigningKey, bytes, keys::jwk::SMALL_ORDER, public_jwks};

mod published;
mod rsa;

/// RFC 8037 appendix A.2 and RFC 7515 appendix A.3.
fn published() -> Value {
    json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-256", "kid": "ec",
         "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
    ]})
}

/// The published set with `changes` laid over one of its keys.
fn with(key: usize, changes: Value) -> Result<KeySet, KeyError> {
    let mut set = published();
    set["keys"][key] = crate::fixture::laid_over(set["keys"][key].take(), changes);
    KeySet::parse(&set.to_string())
}

fn rule(result: Result<KeySet, KeyError>) -> &'static str {
    match result {
        Err(KeyError::Key { rule, .. }) => rule,
        Err(other) => panic!("{other}"),
        Ok(keys) => panic!("accepted {keys:?}"),
    }
}

#[test]
fn published_signatures_verify_under_published_keys() {
    let keys = KeySet::parse(&published().to_string()).unwrap();
    let ed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
              hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let ec = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0\
              cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    for (key_id, token) in [("ed", ed), ("ec", ec)] {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = bytes::decode(signature).unwrap();
        let key = keys.get(key_id).unwrap();
        assert!(key.signed(signed.as_bytes(), &signature), "{key_id}");
        assert!(!key.signed(b"something else", &signature), "{key_id}");
    }
}

#[test]
fn members_that_say_what_is_true_or_unknown_are_accepted() {
    assert!(with(0, json!({"alg": "EdDSA", "use": "sig", "key_ops": ["verify"], "x5t": "ignored"})).is_ok());
    assert!(with(1, json!({"alg": "ES256", "use": "sig"})).is_ok());
}

#[test]
fn what_is_not_a_set_of_keys_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, "\u{feff}{}"] {
        assert!(matches!(KeySet::parse(text), Err(KeyError::Syntax(_))), "{text:?}");
    }
    assert_eq!(KeySet::parse(r#"{"keys":[]}"#).err(), Some(KeyError::Count { keys: 0 }));
}

#[test]
fn size_and_number_of_keys_are_capped() {
    let padded = |bytes: usize| format!("{}{}", published(), " ".repeat(bytes - published().to_string().len()));
    assert!(KeySet::parse(&padded(65_536)).is_ok());
    assert_eq!(KeySet::parse(&padded(65_537)).err(), Some(KeyError::Oversize { bytes: 65_537 }));
    let keys = |count: usize| {
        let key = |n| json!({"kty": "OKP", "crv": "Ed25519", "kid": format!("k{n}"), "x": published()["keys"][0]["x"]});
        KeySet::parse(&json!({"keys": (0..count).map(key).collect::<Vec<_>>()}).to_string())
    };
    assert_eq!(keys(64).map(|set| set.len()).ok(), Some(64));
    assert_eq!(keys(65).err(), Some(KeyError::Count { keys: 65 }));
}

#[test]
fn every_key_needs_its_own_kid() {
    for kid in [json!(null), json!(""), json!(1), json!("a b"), json!("x".repeat(129))] {
        assert_eq!(with(1, json!({"kid": kid})).err(), Some(KeyError::KeyId { position: 2 }), "{kid}");
    }
    assert_eq!(with(1, json!({"kid": "ed"})).err(), Some(KeyError::Duplicate("ed".to_owned())));
}

#[test]
fn a_private_key_is_refused_and_not_repeated() {
    for member in ["d", "k", "p"] {
        let error = with(0, json!({member: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})).unwrap_err().to_string();
        assert!(error.contains("private key") && !error.contains("nWGx"), "{error}");
    }
}

#[test]
fn other_types_curves_and_uses_are_refused() {
    let refused = [
        (0, json!({"kty": "RSA"}), "`e`"),
        (0, json!({"kty": "oct"}), "unsupported type"),
        (0, json!({"kty": "EC"}), "unsupported type"),
        (0, json!({"kty": null}), "unsupported type"),
        (0, json!({"crv": "X25519"}), "unsupported type"),
        (0, json!({"crv": "Ed448"}), "unsupported type"),
        (1, json!({"crv": "P-384"}), "unsupported type"),
        (1, json!({"crv": "secp256k1"}), "unsupported type"),
        (0, json!({"alg": "ES256"}), "`alg`"),
        (0, json!({"alg": "HS256"}), "`alg`"),
        (0, json!({"alg": "none"}), "`alg`"),
        (1, json!({"alg": "EdDSA"}), "`alg`"),
        (1, json!({"alg": 7}), "`alg`"),
        (0, json!({"use": "enc"}), "`use`"),
        (0, json!({"key_ops": ["sign"]}), "`key_ops`"),
        (0, json!({"key_ops": []}), "`key_ops`"),
    ];
    for (key, change, named) in refused {
        let text = rule(with(key, change.clone()));
        assert!(text.contains(named), "{change}: {text}");
    }
}

#[test]
fn points_that_are_no_good_keys_are_refused() {
    let x = |bytes: &[u8]| json!({"x": bytes::encode(bytes)});
    for change in [x(&[1; 31]), x(&[1; 33]), json!({"x": 1}), json!({"x": null}), json!({"x": "+/=="})] {
        assert!(rule(with(0, change.clone())).contains("`x`"), "{change}");
    }
    for point in SMALL_ORDER {
        let mut bytes = hex::decode(point).unwrap();
        assert!(rule(with(0, x(&bytes))).contains("small order"), "{point}");
        bytes[31] |= 0x80;
        assert!(rule(with(0, x(&bytes))).contains("small order"), "{point} negated");
    }
    assert!(rule(with(1, json!({"y": bytes::encode([1; 32])}))).contains("point of P-256"));
    assert!(rule(with(1, json!({"y": null}))).contains("`y`"));
}

#[test]
fn generated_keys_survive_storage_and_never_print() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm, "k-1").unwrap();
        let stored = key.to_pkcs8().unwrap();
        let again = SigningKey::from_pkcs8(algorithm, "k-1", stored.expose()).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
        let keys = KeySet::parse(&public_jwks(&[&key])).unwrap();
        assert!(keys.get("k-1").unwrap().signed(b"text", &again.sign(b"text").unwrap()));
        assert_eq!(format!("{stored:?}"), "Pkcs8(..)");
        assert_eq!(format!("{key:?}"), format!("SigningKey({algorithm}, `k-1`, ..)"));
        assert!(!key.public_jwk().as_object().unwrap().contains_key("d"));
    }
}

#[test]
fn a_stored_key_is_read_only_as_what_it_is() {
    let ed = SigningKey::generate(Algorithm::EdDsa, "k").unwrap().to_pkcs8().unwrap();
    assert_eq!(SigningKey::from_pkcs8(Algorithm::Es256, "k", ed.expose()).err(), Some(KeyError::Private));
    assert_eq!(SigningKey::from_pkcs8(Algorithm::EdDsa, "k", &ed.expose()[1..]).err(), Some(KeyError::Private));
    assert_eq!(SigningKey::from_pkcs8(Algorithm::EdDsa, "", ed.expose()).err(), Some(KeyError::KeyIdShape));
}
