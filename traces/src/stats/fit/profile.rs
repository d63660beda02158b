//! A fitted model as a profile.
//!
//! The profile sends nothing anywhere: its target is the built-in one until another is named with
//! `--target`. It has one phase, as long as the trace.

use std::fmt::Write;

use crate::record::SECOND_NS;

use super::mmpp::Mmpp;
use super::nhpp::RateStep;

/// Decimals of a rate: a millionth of a request per second, or four requests in a year of it.
const RATE_DECIMALS: usize = 6;

/// What arrivals are like in a fitted profile.
#[derive(Debug, Clone, PartialEq)]
pub enum FittedArrivals {
    /// Poisson arrivals whose rate is one of steps.
    Steps(Vec<RateStep>),
    /// A constant rate with bursts.
    Bursts(Mmpp),
}

/// A profile that sends what a model of a trace says.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedProfile {
    /// Name of the profile.
    pub name: String,
    /// What it is a model of, in words.
    pub description: String,
    /// Seed of the arrivals.
    pub seed: u64,
    /// Length of the trace, ns.
    pub length_ns: i64,
    /// What arrivals are like.
    pub arrivals: FittedArrivals,
}

impl FittedProfile {
    /// The text of a profile; `None` for a trace without length, which no phase can have.
    pub fn to_toml(&self) -> Option<String> {
        (self.length_ns > 0).then(|| {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = self.write(&mut text);
            text
        })
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "name = {}", quoted(&self.name))?;
        writeln!(text, "seed = {}", self.seed & i64::MAX.cast_unsigned())?;
        writeln!(text, "description = {}", quoted(&self.description))?;
        writeln!(text, "\n# The built-in target, until another is named: --target http://…")?;
        writeln!(text, "[target]\nurl = \"embedded\"")?;
        writeln!(text, "\n[[phase]]\nname = \"fitted\"")?;
        writeln!(text, "duration = \"{}\"", seconds(self.length_ns))?;
        match &self.arrivals {
            FittedArrivals::Steps(steps) => {
                writeln!(text, "arrival = \"poisson\"\nrate = [")?;
                for step in steps.iter().filter(|step| step.length_ns > 0) {
                    let (rate, length) = (decimal(step.rate_per_s()), seconds(step.length_ns));
                    writeln!(text, "    {{ rate = {rate}, for = \"{length}\" }},")?;
                }
                writeln!(text, "]")
            }
            FittedArrivals::Bursts(model) => {
                let mean = model.mean_per_s();
                let [low, high] = model.rates_per_s.map(|rate| decimal(rate / mean));
                let stay = |stay_s: f64| seconds((stay_s * SECOND_NS as f64).round() as i64);
                let [stay_low, stay_high] = model.stays_s.map(stay);
                writeln!(text, "rate = {}", decimal(mean))?;
                writeln!(
                    text,
                    "arrival = {{ mmpp = {{ rates = [{low}, {high}], \
                     stays = [\"{stay_low}\", \"{stay_high}\"] }} }}"
                )
            }
        }
    }
}

/// A length of time in seconds, exactly.
fn seconds(ns: i64) -> String {
    let whole = format!("{}.{:09}", ns / SECOND_NS, (ns % SECOND_NS).abs());
    format!("{}s", trimmed(&whole))
}

fn decimal(number: f64) -> String {
    trimmed(&format!("{number:.RATE_DECIMALS$}")).to_owned()
}

fn trimmed(number: &str) -> &str {
    number.trim_end_matches('0').trim_end_matches('.')
}

/// A text as a basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(arrivals: FittedArrivals) -> FittedProfile {
        FittedProfile {
            name: "azure \"conv\"".to_owned(),
            description: "fitted to a\ntrace".to_owned(),
            seed: 42,
            length_ns: 90_500_000_001,
            arrivals,
        }
    }

    #[test]
    fn steps_are_written_as_a_profile_takes_them() {
        let step = |length_ns, events| RateStep { length_ns, events };
        let steps = vec![step(60 * SECOND_NS, 90), step(30_500_000_001, 0)];
        let known = "\
name = \"azure \\\"conv\\\"\"
seed = 42
description = \"fitted to a\\u000Atrace\"

# The built-in target, until another is named: --target http://…
[target]
url = \"embedded\"

[[phase]]
name = \"fitted\"
duration = \"90.500000001s\"
arrival = \"poisson\"
rate = [
    { rate = 1.5, for = \"60s\" },
    { rate = 0, for = \"30.500000001s\" },
]
";
        assert_eq!(profile(FittedArrivals::Steps(steps)).to_toml().unwrap(), known);
    }

    #[test]
    fn bursts_are_factors_of_the_mean_rate() {
        let model = Mmpp { rates_per_s: [8.0, 60.0], stays_s: [12.0, 3.0] };
        let text = profile(FittedArrivals::Bursts(model)).to_toml().unwrap();
        let known = "rate = 18.4\n\
            arrival = { mmpp = { rates = [0.434783, 3.26087], stays = [\"12s\", \"3s\"] } }\n";
        assert!(text.ends_with(known), "{text}");
        let nothing = FittedProfile { length_ns: 0, ..profile(FittedArrivals::Bursts(model)) };
        assert_eq!(nothing.to_toml(), None);
    }
}
