//! Times that need not be read twice.

/// Longest text that is remembered; `01/Jul/1995:00:00:01 -0400` has 26 bytes.
const TEXT_BYTES: usize = 32;

/// Remembers the last time that was read: neighbours in a log mostly share their second, and
/// comparing is several times cheaper than reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecentTime {
    text: [u8; TEXT_BYTES],
    length: usize,
    time_ns: i64,
}

impl RecentTime {
    /// What `parse` makes of `text`.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        parse: impl FnOnce(&[u8]) -> Option<i64>,
    ) -> Option<i64> {
        if text == &self.text[..self.length] && self.length > 0 {
            return Some(self.time_ns);
        }
        let time_ns = parse(text)?;
        if let Some(place) = self.text.get_mut(..text.len()) {
            place.copy_from_slice(text);
            self.length = text.len();
            self.time_ns = time_ns;
        }
        Some(time_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::RecentTime;
    use crate::time::parse_clf;

    #[test]
    fn a_remembered_time_is_the_same_and_a_wrong_one_is_not_remembered() {
        let mut recent = RecentTime::default();
        let texts = [
            &b"01/Jul/1995:00:00:01 -0400"[..],
            b"01/Jul/1995:00:00:01 -0400",
            b"01/Jul/1995:00:00:01 +0400",
            b"99/Jul/1995:00:00:01 +0400",
            b"99/Jul/1995:00:00:01 +0400",
            b"",
            b"01/Jul/1995:00:00:01.1234567890123456 +0400",
            b"01/Jul/1995:00:00:01",
        ];
        for text in texts {
            assert_eq!(recent.read(text, parse_clf), parse_clf(text));
        }
    }
}
