//! Whether numbers are finite.

use pulp::Arch;

/// Whether all of them are.
pub(crate) fn all(values: &[f32]) -> bool {
    const INFINITY: u32 = f32::INFINITY.to_bits();
    // The largest of all magnitudes, in the order of bits, in which NaN stands last.
    let magnitude = |value: &f32| value.to_bits() & !(1 << 31);
    Arch::new().dispatch(
        #[inline(always)]
        || values.iter().map(magnitude).fold(0, u32::max) < INFINITY,
    )
}
