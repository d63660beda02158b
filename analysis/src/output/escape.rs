//! Names are chosen by whoever wrote the profile, the trace or the target's answers; no
//! format may take them for its own syntax.

/// Escapes text for XML, in element content and in quoted attributes alike.
///
/// XML 1.0 has no way to write most control characters, not even escaped: they become U+FFFD.
pub fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(character),
            '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            _ if character.is_control() => escaped.push('\u{FFFD}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Makes text safe inside a cell of a Markdown table: no markup, no HTML, no line break.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ if character.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Quotes a CSV field where RFC 4180 asks for it.
pub fn csv(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// Makes JSON safe inside a `<script>` element: no `<` is left to end it.
pub fn json_in_html(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Makes text safe for a terminal: no control character can move the cursor or set colours,
/// and no bidirectional override can reorder the line.
pub fn terminal(text: &str) -> String {
    let is_unsafe = |character: char| {
        character.is_control()
            || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '\u{FFFD}' } else { c }).collect()
}

/// Quotes an argument for a POSIX shell where it needs it.
pub fn shell(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{csv, json_in_html, markdown, shell, terminal, xml};

    #[test]
    fn no_format_takes_a_name_for_its_syntax() {
        assert_eq!(xml("a<b & \"c\"\u{1}"), "a&lt;b &amp; &quot;c&quot;\u{FFFD}");
        assert_eq!(csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv("plain"), "plain");
        assert_eq!(markdown("a|b\n<i>_c_"), "a\\|b &lt;i&gt;\\_c\\_");
        assert_eq!(json_in_html("</script>"), "\\u003c/script>");
        assert_eq!(terminal("a\u{1b}[31mb\u{202E}"), "a\u{FFFD}[31mb\u{FFFD}");
        assert_eq!(shell("results/a b's"), "'results/a b'\\''s'");
        assert_eq!(shell("results/spike-42"), "results/spike-42");
    }
}
