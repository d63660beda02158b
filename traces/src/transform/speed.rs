//! Time divided by a speed, without drift.
//!
//! A speed is a number of 53 bits times a power of two, and a time is an integer, so the
//! quotient can be found in 128 bits without any rounding but the last, down to a nanosecond.
//! The error of an event is below 1 ns however late in the trace it is: nothing adds up.

/// Slowest speed. Below it the quotient of the longest time no longer fits into 128 bits.
pub(super) const SPEED_MIN: f64 = 0.001;

/// Fastest speed: a day in a tenth of a second.
pub(super) const SPEED_MAX: f64 = 1e6;

/// A divisor of times: `mantissa / 2^shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Speed {
    mantissa: i128,
    shift: u32,
}

impl Speed {
    /// Takes a speed from [`SPEED_MIN`] to [`SPEED_MAX`].
    pub fn new(speed: f64) -> Option<Self> {
        const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
        const BIAS: u32 = 1_023;
        if !(SPEED_MIN..=SPEED_MAX).contains(&speed) {
            return None;
        }
        let bits = speed.to_bits();
        let mantissa = i128::from(bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS);
        // Between 33 and 62, for the exponent lies between -10 and 19.
        let exponent = (bits >> FRACTION_BITS) as u32;
        let shift = (BIAS + FRACTION_BITS).checked_sub(exponent)?;
        Some(Self { mantissa, shift })
    }

    /// Divides a time that is not negative, down to the whole nanosecond; later times never come
    /// out earlier. `None` beyond 2^63 ns.
    pub fn divide(self, t_ns: i64) -> Option<i64> {
        i64::try_from((i128::from(t_ns) << self.shift) / self.mantissa).ok()
    }

    /// Divides a length, up to the whole nanosecond, so that what lies inside stays inside.
    pub fn divide_length(self, length_ns: i64) -> Option<i64> {
        let scaled = i128::from(length_ns) << self.shift;
        let has_rest = scaled % self.mantissa != 0;
        i64::try_from(scaled / self.mantissa + i128::from(has_rest)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{SPEED_MAX, SPEED_MIN, Speed};

    #[test]
    fn quotients_are_exact() {
        let divide = |speed: f64, t_ns| Speed::new(speed).unwrap().divide(t_ns);
        assert_eq!(divide(1.0, i64::MAX), Some(i64::MAX));
        assert_eq!(divide(4.0, 1_000_000_003), Some(250_000_000));
        assert_eq!(divide(0.5, 3), Some(6));
        assert_eq!(divide(0.5, i64::MAX), None);
        assert_eq!(divide(SPEED_MIN, i64::MAX), None);
        assert_eq!(divide(SPEED_MAX, 1_000_000_000_000), Some(1_000_000));
        // A year becomes ten: the number 0.1 is larger than a tenth, by 18 ns in a decade.
        assert_eq!(divide(0.1, 31_536_000_000_000_000), Some(315_359_999_999_999_982));
        for outside in [0.0, -1.0, 1e-9, 2e6, f64::INFINITY, f64::NAN] {
            assert_eq!(Speed::new(outside), None);
        }
    }

    proptest! {
        #[test]
        fn order_stays_and_nothing_leaves_its_length(
            speed in SPEED_MIN..SPEED_MAX,
            first in 0_i64..4_000_000_000_000_000,
            later in 0_i64..1_000_000_000_000,
        ) {
            let divisor = Speed::new(speed).unwrap();
            let at = |t_ns| divisor.divide(t_ns).unwrap();
            prop_assert!(at(first) <= at(first + later));
            prop_assert!(at(first) < divisor.divide_length(first + 1).unwrap());
            let expected = first as f64 / speed;
            prop_assert!((at(first) as f64 - expected).abs() <= 1.0 + expected * 1e-15);
            prop_assert_eq!(Speed::new(1.0).unwrap().divide(first), Some(first));
        }
    }
}
