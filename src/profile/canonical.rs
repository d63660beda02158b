//! JSON with one way to be written, for hashing and for committed files.
//!
//! Keys are sorted here because whether `serde_json` keeps their order depends on the
//! features some other crate asks for.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Writes JSON in one line, keys sorted.
pub(super) fn compact(value: &Value) -> String {
    sorted(value).to_string()
}

/// Writes JSON over several lines, keys sorted.
#[cfg(test)]
pub(super) fn pretty(value: &Value) -> String {
    format!("{:#}", sorted(value))
}

/// Returns the SHA-256 of canonical JSON, in hexadecimal.
pub(super) fn sha256(value: &Value) -> String {
    let digest = Sha256::digest(compact(value).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let sorted_entries =
                entries.into_iter().map(|(key, value)| (key.clone(), sorted(value)));
            Value::Object(sorted_entries.collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{compact, sha256};

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let (one, other) =
            (json!({"b": [{"d": 1, "c": 2}], "a": 1}), json!({"a": 1, "b": [{"c": 2, "d": 1}]}));
        assert_eq!(compact(&one), r#"{"a":1,"b":[{"c":2,"d":1}]}"#);
        assert_eq!(sha256(&one), sha256(&other));
    }

    #[test]
    fn the_hash_is_that_of_the_text() {
        // printf '{}' | sha256sum
        let known = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(sha256(&json!({})), known);
    }
}
