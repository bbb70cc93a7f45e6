//! `aya::Pod` for what the agent writes to maps.
#![expect(unsafe_code, reason = "aya marks plain old data with an unsafe trait")]

use crate::{FileFacts, Key, Meta, Rule, RuleList, Subjects, Tenant};

// SAFETY: `repr(C)`, plain integers, no padding (see the test below).
unsafe impl aya::Pod for Key {}
// SAFETY: as above.
unsafe impl aya::Pod for RuleList {}
// SAFETY: as above.
unsafe impl aya::Pod for Rule {}
// SAFETY: as above.
unsafe impl aya::Pod for Subjects {}
// SAFETY: as above.
unsafe impl aya::Pod for Meta {}
// SAFETY: as above.
unsafe impl aya::Pod for FileFacts {}
// SAFETY: as above.
unsafe impl aya::Pod for Tenant {}

#[cfg(test)]
mod tests {
    use crate::{
        FileFacts, Key, LIST_LENGTH, Meta, Rule, RuleList, SUBJECTS, Subject, Subjects, Tenant,
    };

    #[test]
    fn map_types_have_no_padding() {
        assert_eq!(size_of::<Key>(), 24);
        assert_eq!(size_of::<RuleList>(), 4 + LIST_LENGTH * 4);
        assert_eq!(size_of::<Rule>(), 2 * 8 + 2 * 4 + 8 + 8);
        assert_eq!(size_of::<Tenant>(), 3 * 8 + 104);
        assert_eq!(size_of::<Subject>(), 24 + 6 * 8 + 6 * 4);
        assert_eq!(size_of::<Subjects>(), 8 + SUBJECTS * size_of::<Subject>());
        assert_eq!(size_of::<Meta>(), 8 * 4 + 8 + 32);
        assert_eq!(size_of::<FileFacts>(), 24 + 8 + 64 * 24);
    }
}
