//! What is recorded of a tensor that a method keeps by name, before the tensor itself.

use burn::tensor::{DType, Tensor};

/// Bytes of a name in each number: a device's integers may have 32 bits and a sign.
const BYTES: usize = 3;
/// Numbers that a name takes.
const NAME: usize = 11;
/// Bytes that a name may have.
pub(super) const MOST_BYTES: usize = BYTES * NAME;
/// All numbers.
const NUMBERS: usize = 3 + NAME;

/// Name, size and type of a kept tensor. A record holds them as integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) dtype: DType,
}

impl Default for Slot {
    fn default() -> Self {
        Self { name: String::new(), rows: 1, columns: 1, dtype: DType::F32 }
    }
}

impl Slot {
    pub(super) fn of(name: &str, values: &Tensor<2>) -> Self {
        let ([rows, columns], dtype) = (values.dims(), values.dtype());
        Self { name: name.into(), rows, columns, dtype }
    }

    /// Rows, columns, type, and the name, three bytes in each number.
    pub(super) fn numbers(&self) -> [u64; NUMBERS] {
        let half = u64::from(self.dtype == DType::F16);
        let mut numbers = [0; NUMBERS];
        numbers[..3].copy_from_slice(&[self.rows as u64, self.columns as u64, half]);
        for (number, bytes) in numbers[3..].iter_mut().zip(self.name.as_bytes().chunks(BYTES)) {
            *number = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        numbers
    }
}

impl From<[u64; NUMBERS]> for Slot {
    fn from([rows, columns, half, name @ ..]: [u64; NUMBERS]) -> Self {
        let bytes = |number: &u64| number.to_le_bytes().into_iter().take(BYTES);
        let name: Vec<u8> = name.iter().flat_map(bytes).collect();
        let name = String::from_utf8_lossy(&name).trim_end_matches('\0').into();
        let dtype = if half == 1 { DType::F16 } else { DType::F32 };
        Self { name, rows: rows as usize, columns: columns as usize, dtype }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_all_of_it_in_31_bits() {
        for name in ["", "logits", "thirty-two bytes, and not a more"] {
            let slot = Slot { name: name.into(), rows: 60_000, columns: 3, dtype: DType::F16 };
            assert!(slot.numbers().iter().all(|number| *number <= i32::MAX as u64));
            assert_eq!(Slot::from(slot.numbers()), slot);
        }
    }
}
