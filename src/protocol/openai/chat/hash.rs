//! Short names made from longer ones, the same each time and on every replica.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// The first hexadecimal digits of a text's SHA-256.
pub(super) fn hash(text: &str, digits: usize) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let mut hex = String::with_capacity(2 * digest.as_ref().len());
    for byte in digest.as_ref() {
        write!(hex, "{byte:02x}").expect("a string takes everything");
    }
    hex.truncate(digits);
    hex
}
