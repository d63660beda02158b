//! Checks the shape of a profile before it is read into types.
//!
//! serde stops at the first unknown key. This walk compares the parsed TOML with the JSON
//! Schema of the profile and reports every unknown key, every missing one, every value of a
//! wrong type and every word that is none of the allowed ones, each with what was probably
//! meant. What passes is read without complaint.
//!
//! It knows of JSON Schema what `schemars` makes of these types, and no more.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::diagnostic::{Diagnostic, FOUND_MAX, Fault};
use super::nearest::{list, nearest};
use super::quantity::QUANTITY_KEY;
use super::schema::{self, Node};
use super::source::Source;

/// Key of the JSON Schema under which a table says how it is written.
pub(super) const FORM_KEY: &str = "x-form";

/// Reports everything in `table` that is not shaped like a profile.
pub(super) fn check(source: &Source, table: &Spanned<DeTable<'_>>) -> Vec<Diagnostic> {
    let mut walk = Walk { source, found: Vec::new() };
    let span = 0..source.profile().lines().next().map_or(0, str::len);
    walk.table("", table.get_ref(), &span, &Node::root().alternatives());
    walk.found.sort_by_key(|(start, _)| *start);
    walk.found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
}

struct Walk<'a> {
    source: &'a Source,
    found: Vec<(usize, Diagnostic)>,
}

impl Walk<'_> {
    fn report(&mut self, span: &Range<usize>, fault: Fault) {
        self.found.push((span.start, fault.at(self.source.place(span))));
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>, schema: Node) {
        if self.found.len() >= FOUND_MAX {
            return;
        }
        let nodes = schema.alternatives();
        let fitting: Vec<Node> =
            nodes.iter().copied().filter(|node| accepts(*node, value.get_ref())).collect();
        if fitting.is_empty() {
            return self.report(&value.span(), wrong_type(path, value.get_ref(), &nodes));
        }
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table, &value.span(), &fitting),
            DeValue::Array(items) => {
                if let Some(schema) = fitting.iter().find_map(|node| node.items()) {
                    items.iter().for_each(|item| self.value(path, item, schema));
                }
            }
            DeValue::String(text) => self.word(path, text, &value.span(), &nodes),
            DeValue::Integer(number) => self.whole(number, &value.span(), &fitting),
            _ => {}
        }
    }

    /// Checks a table against all tables it might be: its keys are those of any of them.
    fn table(&mut self, path: &str, table: &DeTable<'_>, span: &Range<usize>, nodes: &[Node]) {
        let known: Vec<(&str, Node)> = nodes.iter().flat_map(|node| node.properties()).collect();
        let other = nodes.iter().find_map(|node| node.other_properties());
        let mut unknown = false;
        for (key, value) in table.iter() {
            let named = known.iter().find(|(name, _)| name == key.get_ref()).map(|(_, node)| *node);
            match named.or(other) {
                Some(schema) => self.value(&join(path, key.get_ref()), value, schema),
                None if self.found.len() >= FOUND_MAX => return,
                None => {
                    unknown = true;
                    self.report(&key.span(), unknown_key(path, key.get_ref(), nodes));
                }
            }
        }
        // A key that is missing beside an unknown one is most likely the same slip; and which
        // keys one of several tables needs is told where it is read.
        if let ([node], false) = (nodes, unknown) {
            self.required(path, table, span, *node);
        }
    }

    fn required(&mut self, path: &str, table: &DeTable<'_>, span: &Range<usize>, node: Node) {
        let missing: Vec<&str> = node.required().filter(|key| !table.contains_key(*key)).collect();
        if missing.is_empty() {
            return;
        }
        let keys = missing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
        let fault = Fault::new(format!("missing {keys} in {}", table_name(path)));
        self.report(span, fault.help(format!("keys here: {}", keys_of(&[node]))));
    }

    /// Checks a word where only certain ones are allowed; a table may be meant instead.
    fn word(&mut self, path: &str, text: &str, span: &Range<usize>, nodes: &[Node]) {
        let words: Vec<&str> = nodes.iter().flat_map(|node| node.words()).collect();
        if words.is_empty() || words.contains(&text) {
            return;
        }
        let forms: Vec<(&str, &str)> = nodes.iter().flat_map(|node| forms_of(*node)).collect();
        let key = last(path);
        let fault = match forms.iter().find(|(name, _)| *name == text) {
            Some((_, form)) => Fault::new(format!("`{text}` is a table, not a word"))
                .label("its parameters are missing")
                .help(format!("write {key} = {form}")),
            None => {
                let known = words.iter().copied().chain(forms.iter().map(|(name, _)| *name));
                let allowed = words.iter().copied().chain(forms.iter().map(|(_, form)| *form));
                Fault::new(format!("unknown {key} `{text}`"))
                    .nearest(nearest(text, known))
                    .help(format!("one of: {}", list(allowed)))
            }
        };
        self.report(span, fault);
    }

    fn whole(&mut self, number: &DeInteger<'_>, span: &Range<usize>, nodes: &[Node]) {
        let Some(greatest) = nodes.iter().find_map(|node| node.greatest()) else { return };
        let read = u64::from_str_radix(number.as_str(), number.radix());
        if read.is_ok_and(|read| read <= greatest) {
            return;
        }
        let side = if number.as_str().starts_with('-') { "small" } else { "large" };
        let fault = Fault::new(format!("`{number}` is too {side}"));
        self.report(span, fault.help(format!("write a whole number from 0 to {greatest}")));
    }
}

/// Tells whether a value has a type that `node` allows.
fn accepts(node: Node, value: &DeValue<'_>) -> bool {
    if node.text(QUANTITY_KEY).is_some() {
        // A number without a unit has a message of its own.
        return matches!(value, DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_));
    }
    match value {
        DeValue::String(_) => node.allows("string"),
        DeValue::Integer(_) => node.allows("integer") || node.allows("number"),
        DeValue::Float(_) => node.allows("number"),
        DeValue::Boolean(_) => node.allows("boolean"),
        DeValue::Array(_) => node.allows("array"),
        DeValue::Table(_) => node.allows("object"),
        DeValue::Datetime(_) => false,
    }
}

fn wrong_type(path: &str, value: &DeValue<'_>, nodes: &[Node]) -> Fault {
    let mut wanted: Vec<String> = nodes.iter().map(|node| describe(*node, last(path))).collect();
    wanted.dedup();
    let found = match value {
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
    };
    Fault::new(format!("`{path}` cannot be {found}"))
        .help(format!("write {}", wanted.join(", or ")))
}

/// Returns the keys of a table that says how it is written, each with that form.
fn forms_of(node: Node) -> impl Iterator<Item = (&'static str, &'static str)> {
    let form = node.text(FORM_KEY);
    node.properties().filter_map(move |(key, _)| Some((key, form?)))
}

/// Says what a value is meant to be.
fn describe(node: Node, key: &str) -> String {
    if let Some(quantity) = node.text(QUANTITY_KEY) {
        return quantity.to_owned();
    }
    if let Some(form) = node.text(FORM_KEY) {
        return format!("a table {form}");
    }
    if node
        .items()
        .is_some_and(|items| items.alternatives().iter().all(|item| item.allows("object")))
    {
        return format!("`[[{key}]]` tables, or a list of tables");
    }
    let names = [
        ("string", "a text in quotes"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("boolean", "true or false"),
        ("array", "a list"),
    ];
    match names.iter().find(|(name, _)| node.allows(name)) {
        Some((_, words)) => (*words).to_owned(),
        None => format!("a table {{ {} }}", keys_of(&[node])),
    }
}

fn unknown_key(path: &str, key: &str, nodes: &[Node]) -> Fault {
    let fault = Fault::new(format!("unknown key `{key}` in {}", table_name(path)));
    let known = nodes.iter().flat_map(|node| node.properties()).map(|(name, _)| name);
    let fault = match (nearest(key, known), home_of(key)) {
        (None, Some(table)) => fault.label(format!("it belongs in {table}")),
        (near, _) => fault.nearest(near),
    };
    fault.help(format!("keys here: {}", keys_of(nodes)))
}

/// Lists the keys of a table, or of all tables it might be.
fn keys_of(nodes: &[Node]) -> String {
    let keys = nodes.iter().flat_map(|node| node.properties()).map(|(key, _)| key);
    list(keys.collect::<BTreeSet<_>>())
}

/// Finds the only table that has a key of this name.
fn home_of(key: &str) -> Option<String> {
    let keys = schema::keys();
    let mut homes = keys.iter().filter(|(_, name)| name == key).map(|(table, _)| table);
    match (homes.next(), homes.next()) {
        (Some(table), None) => Some(table_name(table)),
        _ => None,
    }
}

/// Names a table the way it is written.
fn table_name(path: &str) -> String {
    match path {
        "" => "the profile".to_owned(),
        "phase" | "stream" | "scenario" | "objective" | "stream.phase" => format!("`[[{path}]]`"),
        _ => format!("`{path}`"),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
