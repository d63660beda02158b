//! The JSON Schema of a profile.
//!
//! It is generated from the types in [`raw`](super::raw) and committed beside the built-in
//! profiles, where editors find it. The check of a profile's structure walks the same
//! schema, so that what an editor accepts and what `gen` accepts cannot differ.
//!
//! Draft 7 is what the TOML editors of the day understand.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::RawProfile;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<RawProfile>().to_value();
    strip_null(&mut schema);
    schema
});

/// Returns the JSON Schema of a profile.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// The schema and a node in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node(&'static Value);

impl Node {
    /// The schema of a whole profile.
    pub(super) fn root() -> Self {
        Self(&SCHEMA)
    }

    /// Follows references to the schema that says something.
    fn resolved(self) -> Self {
        let single = self.0.get("allOf").and_then(Value::as_array).filter(|all| all.len() == 1);
        let inner = match self.0.get("$ref").and_then(Value::as_str) {
            Some(name) => SCHEMA.pointer(name.trim_start_matches('#')),
            None => single.map(|all| &all[0]),
        };
        inner.map_or(self, |inner| Self(inner).resolved())
    }

    /// Returns the schemas a value may follow: one, or the alternatives.
    pub(super) fn alternatives(self) -> Vec<Self> {
        let node = self.resolved();
        let choices = node.0.get("anyOf").or_else(|| node.0.get("oneOf")).and_then(Value::as_array);
        match choices {
            Some(choices) => {
                choices.iter().flat_map(|choice| Self(choice).alternatives()).collect()
            }
            None => vec![node],
        }
    }

    /// Returns the words this schema allows, when it allows only certain ones.
    pub(super) fn words(self) -> Vec<&'static str> {
        let several = self.0.get("enum").and_then(Value::as_array).into_iter().flatten();
        several.chain(self.0.get("const")).filter_map(Value::as_str).collect()
    }

    /// Tells whether values of JSON type `name` are allowed.
    pub(super) fn allows(self, name: &str) -> bool {
        match self.0.get("type") {
            Some(Value::String(only)) => only == name,
            Some(Value::Array(types)) => types.iter().any(|one| one == name),
            _ => false,
        }
    }

    /// Returns the text stored under a key of this schema.
    pub(super) fn text(self, key: &str) -> Option<&'static str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// Returns the keys of a table with their schemas.
    pub(super) fn properties(self) -> impl Iterator<Item = (&'static str, Self)> {
        let properties = self.0.get("properties").and_then(Value::as_object).into_iter().flatten();
        properties.map(|(key, schema)| (key.as_str(), Self(schema)))
    }

    /// Returns the schema of values under keys that have no name, where those are allowed.
    pub(super) fn other_properties(self) -> Option<Self> {
        self.0.get("additionalProperties").filter(|schema| schema.is_object()).map(Self)
    }

    /// Returns the schema of a list's elements.
    pub(super) fn items(self) -> Option<Self> {
        self.0.get("items").map(Self)
    }

    /// Returns the keys that must be there.
    pub(super) fn required(self) -> impl Iterator<Item = &'static str> {
        let required = self.0.get("required").and_then(Value::as_array).into_iter().flatten();
        required.filter_map(Value::as_str)
    }

    /// Returns the greatest value of a whole number; the least is 0.
    pub(super) fn greatest(self) -> Option<u64> {
        match self.text("format")? {
            "uint16" => Some(u16::MAX.into()),
            "uint32" => Some(u32::MAX.into()),
            "uint64" => Some(u64::MAX),
            _ => None,
        }
    }
}

/// Returns every key of a profile with the dotted path of the table it stands in.
pub fn keys() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    collect(Node::root(), "", &mut found);
    found
}

fn collect(node: Node, table: &str, found: &mut BTreeSet<(String, String)>) {
    for node in node.alternatives() {
        if let Some(items) = node.items() {
            collect(items, table, found);
        }
        for (key, schema) in node.properties() {
            found.insert((table.to_owned(), key.to_owned()));
            let inner = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            collect(schema, &inner, found);
        }
    }
}

/// Removes `null` from types and choices: TOML has none, an absent key is left out.
fn strip_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
            }
            map.values_mut().for_each(strip_null);
        }
        Value::Array(list) => list.iter_mut().for_each(strip_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::profile::canonical;

    use super::{json_schema, keys};

    fn profiles() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles"))
    }

    #[test]
    fn the_committed_schema_is_that_of_the_code() {
        let path = profiles().join("profile.schema.json");
        let expected = format!("{}\n", canonical::pretty(&json_schema()));
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == expected, "run this test with UPDATE_SCHEMA=1 and look at the change");
    }

    #[test]
    fn every_key_is_explained_in_the_readme() {
        let readme = std::fs::read_to_string(profiles().join("README.md")).unwrap();
        let missing: Vec<_> =
            keys().into_iter().filter(|(_, key)| !readme.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn nothing_may_be_null() {
        assert!(!json_schema().to_string().contains("\"null\""));
    }
}
