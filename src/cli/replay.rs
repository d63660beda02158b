//! `gen replay`: a recorded timeline as a run, without a profile.

use std::fmt::Write as _;
use std::path::Path;

use openload_contract::ExitCode;

use super::args::ReplayArgs;
use super::console::Failure;
use super::plan::load_text;
use super::run;

/// Runs `gen replay`.
pub fn command(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let plan = load_text("gen replay", &profile(args)?, &args.overrides)?;
    run::run(plan, args.overrides.shard, &args.run)
}

/// The profile that the arguments come to.
fn profile(args: &ReplayArgs) -> Result<String, Failure> {
    let stem = args.trace.file_stem().unwrap_or_default().to_string_lossy();
    let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let stem: String =
        stem.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).take(60).collect();
    let mut text = format!("name = \"replay-{stem}\"\n[target]\nurl = \"embedded\"\n[trace]\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "file = {}", quoted(&path_text(&args.trace)?));
    if let Some(speed) = args.speed {
        let _ = writeln!(text, "speed = {speed:?}");
    }
    if let Some(factor) = args.amplify {
        amplify(&mut text, factor, &args.jitter)?;
    }
    for (key, instant) in [("from", &args.from), ("to", &args.to)] {
        if let Some(instant) = instant {
            let _ = writeln!(text, "{key} = {}", quoted(instant));
        }
    }
    if let Some(times) = args.repeat {
        let _ = writeln!(text, "repeat = {{ times = {times} }}");
    }
    if !args.methods.is_empty() {
        let methods: Vec<String> = args.methods.iter().map(|method| quoted(method)).collect();
        let _ = writeln!(text, "methods = [{}]", methods.join(", "));
    }
    Ok(text)
}

/// A multiple of the load: whole copies of each event, and of those a share.
fn amplify(text: &mut String, factor: f64, jitter: &str) -> Result<(), Failure> {
    if !factor.is_finite() || factor <= 0.0 {
        let message = format!("--amplify {factor} is not possible; write a number above 0");
        return Err(Failure::usage(message));
    }
    let copies = factor.ceil();
    if copies > 1.0 {
        let _ = writeln!(text, "copies = {{ n = {copies}, jitter = {} }}", quoted(jitter));
    }
    let share = factor / copies;
    if share < 1.0 {
        let _ = writeln!(text, "thin = {{ p = {share:?} }}");
    }
    Ok(())
}

fn path_text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::usage(format!("{}: the path is not UTF-8", path.display())))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::amplify;

    #[test]
    fn a_multiple_is_whole_copies_and_a_share_of_them() {
        let text = |factor| {
            let mut text = String::new();
            amplify(&mut text, factor, "1s").map(|()| text).ok()
        };
        assert_eq!(text(3.0).unwrap(), "copies = { n = 3, jitter = \"1s\" }\n");
        assert_eq!(
            text(2.5).unwrap(),
            "copies = { n = 3, jitter = \"1s\" }\nthin = { p = 0.8333333333333334 }\n"
        );
        assert_eq!(text(0.25).unwrap(), "thin = { p = 0.25 }\n");
        assert_eq!(text(1.0).unwrap(), "");
        assert!(text(0.0).is_none() && text(f64::NAN).is_none());
    }
}
