//! Whatever the bytes, the answer is a plan or a message.

use proptest::prelude::*;

use crate::profile::{BUILT_IN, Overrides, parse};

use super::{MINIMAL, set};

/// Resolves and prints; neither may panic.
fn survive(text: &str, overrides: &Overrides) {
    if let Err(error) = parse("fuzz.toml", text, overrides) {
        assert!(!error.diagnostics.is_empty());
        assert!(error.to_string().starts_with("error: "));
    }
}

/// Words that reach deeper than random letters do.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{1,8}|[0-9.e+-]{1,8}|\"[^\"\n]{0,8}\"",
        proptest::sample::select(vec![
            "name",
            "phase",
            "rate",
            "duration",
            "[[phase]]",
            "[target]",
            "url",
            "=",
            "= ",
            "\n",
            "{",
            "}",
            "[",
            "]",
            ",",
            ".",
            "nan",
            "inf",
            "-inf",
            "1e308",
            "\"1e300s\"",
            "\"9d\"",
            "\"ü\"",
            "{{",
            "}}",
            "9223372036854775807",
            "99999999999999999999",
            "steps",
            "arrival",
            "mmpp",
            "rates",
            "stays",
            "renewal",
            "cv",
            "for",
            "1979-05-27",
            "true",
            "\"\"\"",
            "#",
            "\u{feff}",
            "\u{0}",
            "\r\n",
            "objective",
            "max",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_profiles_never_panic(
        profile in 0..BUILT_IN.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, token()), 1..6),
    ) {
        let mut text = BUILT_IN[profile].1.to_owned();
        for (at, length, token) in changes {
            let mut start = at.index(text.len());
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + length * 3).min(text.len());
            while !text.is_char_boundary(end) { end -= 1; }
            text.replace_range(start..end.max(start), &token);
        }
        survive(&text, &Overrides::default());
    }

    #[test]
    fn changed_values_never_panic(
        profile in 0..BUILT_IN.len(),
        at in any::<prop::sample::Index>(),
        value in token(),
    ) {
        let text = BUILT_IN[profile].1;
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" = ")).collect();
        let line = lines[at.index(lines.len())];
        let (key, _) = line.split_once(" = ").unwrap();
        survive(&text.replacen(line, &format!("{key} = {value}"), 1), &Overrides::default());
    }

    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        survive(&text, &Overrides::default());
    }

    #[test]
    fn random_tokens_never_panic(tokens in proptest::collection::vec(token(), 0..40)) {
        survive(&tokens.concat(), &Overrides::default());
    }

    #[test]
    fn random_settings_never_panic(
        key in proptest::collection::vec(
            prop_oneof![Just("phase"), Just("0"), Just("rate"), Just("x"), Just("target"), Just("\"")],
            0..5,
        ),
        value in proptest::collection::vec(token(), 0..4),
        rate_scale in any::<f64>(),
        time_scale in any::<f64>(),
    ) {
        let settings = set(&[(key.join(".").as_str(), value.concat().as_str())]);
        survive(MINIMAL, &settings);
        survive(MINIMAL, &Overrides { rate_scale, time_scale, ..settings });
    }
}

#[test]
fn deep_and_wide_texts_never_panic() {
    let deep = 100_000;
    for text in [
        "[".repeat(deep),
        format!("x = {}", "[".repeat(deep)),
        format!("x = {}", "{ a = ".repeat(deep)),
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]", vec!["a"; deep].join(".")),
        format!("name = \"{}\"", "é".repeat(deep)),
        format!("{MINIMAL}\n{}", "[[objective]]\nmetric = \"x\"\n".repeat(3_000)),
        "[[phase]]\n".repeat(deep),
        format!("{MINIMAL}{}", "[[phase]]\nname=\"p\"\nduration=1\nrate=-1\n".repeat(20_000)),
        (0..deep).map(|number| format!("key{number}=1\n")).collect(),
        format!(
            "{MINIMAL}{}",
            "[[objective]]\nmetric=\"error_rate\"\nphase=\"x\"\n".repeat(15_000)
        ),
        format!(
            "{MINIMAL}{}",
            (0..9_000)
                .map(|number| format!(
                    "[[phase]]\nname=\"p{number}\"\nduration=\"1s\"\nrate=1\n\
             [[objective]]\nmetric=\"error_rate\"\nmax=1\nphase=\"p{number}\"\n"
                ))
                .collect::<String>()
        ),
        MINIMAL.replace("rate = 100", &format!("rate = [{}1]", "1, ".repeat(deep))),
    ] {
        survive(&text, &Overrides::default());
    }
}
