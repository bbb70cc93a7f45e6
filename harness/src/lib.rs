//! Placeholder map, replaced with the first code.
