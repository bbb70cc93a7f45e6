//! The order of Debian's version numbers (Debian Policy, section 5.6.12).

use std::cmp::Ordering;

/// A version: epoch, upstream version, revision. Ordered, and equal, as dpkg
/// has it.
#[derive(Debug, Clone, Copy)]
pub struct DebianVersion<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> DebianVersion<'a> {
    /// Any text is taken; what is no epoch belongs to the upstream version.
    pub fn new(text: &'a str) -> Self {
        let (epoch, rest) = text
            .split_once(':')
            .and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)))
            .unwrap_or((0, text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
        Self {
            epoch,
            upstream,
            revision,
        }
    }
}

impl Ord for DebianVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare(self.upstream, other.upstream))
            .then_with(|| compare(self.revision, other.revision))
    }
}

impl PartialOrd for DebianVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebianVersion<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebianVersion<'_> {}

/// By turns a piece without digits and a number.
fn compare(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split(a, |byte| !byte.is_ascii_digit());
        let (text_b, rest_b) = split(b, |byte| !byte.is_ascii_digit());
        let (number_a, rest_a) = split(rest_a, |byte| byte.is_ascii_digit());
        let (number_b, rest_b) = split(rest_b, |byte| byte.is_ascii_digit());
        let order = compare_text(text_a, text_b).then_with(|| compare_number(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !belongs(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// A tilde comes before even the end, letters before everything else.
fn compare_text(a: &str, b: &str) -> Ordering {
    let rank = |byte: Option<u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    };
    let length = a.len().max(b.len());
    (0..length)
        .map(|at| rank(a.as_bytes().get(at).copied()).cmp(&rank(b.as_bytes().get(at).copied())))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// As numbers, however many digits they have.
fn compare_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_are_in_dpkgs_order() {
        let ascending = [
            "0:1~~",
            "1~~a",
            "1~",
            "1",
            "1+b",
            "5.10.9-1",
            "5.10.262-1",
            "6.1.192-2",
            "6.12.90-1",
            "6.12.117-1~bpo12+1",
            "6.12.117-1",
            "6.12.117-2",
            "7.3~rc7-1~exp1",
            "7.3.4-1~bpo13+1",
            "1:0.1-1",
        ];
        for pair in ascending.windows(2) {
            let (less, more) = (DebianVersion::new(pair[0]), DebianVersion::new(pair[1]));
            assert!(less < more, "{pair:?}");
        }
        for (a, b) in [("1", "1-0"), ("0:1.0", "1.00"), ("1.0", "1.0")] {
            assert_eq!(DebianVersion::new(a), DebianVersion::new(b));
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(
            a in "[0-9a~+.:-]{0,8}",
            b in "[0-9a~+.:-]{0,8}",
            c in "[0-9a~+.:-]{0,8}",
        ) {
            let [a, b, c] = [&a, &b, &c].map(|text| DebianVersion::new(text));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }
    }
}
