//! Vectors of the simulated embeddings.

/// A vector of length 1 that depends on nothing but the text, the same in every version.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a for the seed, SplitMix64 for the rest: short, and frozen by their definitions.
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let values: Vec<f32> = (1..=dimensions as u64).map(|step| value(seed, step)).collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / length).collect()
}

/// The value number `step` of the sequence that `seed` starts, within -1 and 1 and never 0.
fn value(seed: u64, step: u64) -> f32 {
    let mut mixed = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [high, low, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
    (f32::from(u16::from_be_bytes([high, low])) + 0.5) / 32_768.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_repeatable_and_of_unit_length() {
        let (one, two) = (vector("a", 256), vector("b", 256));
        assert_eq!(one, vector("a", 256));
        assert_ne!(one, two);
        let length = one.iter().map(|value| value * value).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
}
