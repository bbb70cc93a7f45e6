//! `aya::Pod` for what the agent writes to maps.
#![expect(unsafe_code, reason = "aya marks plain old data with an unsafe trait")]

use crate::key::{FileRules, Meta, ObjectKey, PlaceKey, PortRules};

// SAFETY: `repr(C)`, plain integers, no padding (see the test below).
unsafe impl aya::Pod for ObjectKey {}
// SAFETY: as above.
unsafe impl aya::Pod for PlaceKey {}
// SAFETY: as above.
unsafe impl aya::Pod for FileRules {}
// SAFETY: as above.
unsafe impl aya::Pod for PortRules {}
// SAFETY: as above.
unsafe impl aya::Pod for Meta {}

#[cfg(test)]
mod tests {
    use crate::key::{FileRules, Meta, NAME_LENGTH, ObjectKey, PORT_RANGES, PlaceKey, PortRules};

    #[test]
    fn map_types_have_no_padding() {
        assert_eq!(size_of::<ObjectKey>(), 16);
        assert_eq!(size_of::<PlaceKey>(), 16 + NAME_LENGTH + 1);
        assert_eq!(size_of::<FileRules>(), 12);
        assert_eq!(size_of::<PortRules>(), PORT_RANGES * 8);
        assert_eq!(size_of::<Meta>(), 6 * 4 + 32);
    }
}
