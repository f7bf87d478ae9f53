//! The one arithmetic kernel: a product of two small matrices whose columns lie in blocks of sixteen.
//!
//! Each entry of the result is one sum in the order of depth, whatever the sizes, so it does not depend on
//! what else is computed with it.

use pulp::{Arch, Simd, WithSimd};

/// Columns in a block: one register of AVX-512, two of AVX2, four of NEON.
pub(crate) const LANES: usize = 16;

/// Blocks that so many channels take.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// The left matrix. Its depth is cut into chunks of sixteen: entry (row, depth) stands at
/// `row · row_step + depth / 16 · chunk + depth % 16 · depth_step`. One of the steps is 1.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) row_step: usize,
    pub(crate) depth_step: usize,
    pub(crate) chunk: usize,
}

/// The right matrix: block `j` of its columns is `[depth][16]`, from `j · block` on.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) block: usize,
}

/// The result: block `j` of row `r` stands at `r · row + j · block`.
pub(crate) struct Out<'a> {
    pub(crate) values: &'a mut [f32],
    pub(crate) row: usize,
    pub(crate) block: usize,
    /// Add to what is there, rather than replace it.
    pub(crate) add: bool,
}

/// `left` `[rows, depth]` times `right` `[depth, blocks · 16]`.
pub(crate) struct Product<'a> {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    pub(crate) blocks: usize,
    pub(crate) left: Left<'a>,
    pub(crate) right: Right<'a>,
    pub(crate) out: Out<'a>,
}

impl Product<'_> {
    /// Computes it with the best instructions that the processor has.
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }

    /// `R` rows by `B` blocks of `V` registers at a time.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const B: usize, const V: usize>(
        &mut self,
        simd: S,
        block: usize,
    ) {
        let mut row = 0;
        while row + R <= self.rows {
            self.tile::<S, R, B, V>(simd, row, block);
            row += R;
        }
        if R > 4 && row + 4 <= self.rows {
            self.tile::<S, 4, B, V>(simd, row, block);
            row += 4;
        }
        while row < self.rows {
            self.tile::<S, 1, B, V>(simd, row, block);
            row += 1;
        }
    }

    #[expect(clippy::needless_range_loop, reason = "the index is of each of several slices")]
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const B: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        block: usize,
    ) {
        let mut sums = [[[simd.splat_f32s(0.0); V]; B]; R];
        let (left, right) = (self.left, self.right);
        let mut done = 0;
        while done < self.depth {
            let len = LANES.min(self.depth - done);
            let a = &left.values[done / LANES * left.chunk..];
            let mut b: [&[[S::f32s; V]]; B] = [&[]; B];
            for (j, b) in b.iter_mut().enumerate() {
                let at = (block + j) * right.block + done * LANES;
                let columns = &right.values[at..at + len * LANES];
                *b = S::as_simd_f32s(columns).0.as_chunks().0;
            }
            if left.depth_step == 1 {
                let mut rows: [&[f32]; R] = [&[]; R];
                for (r, values) in rows.iter_mut().enumerate() {
                    *values = &a[(row + r) * left.row_step..][..len];
                }
                match (whole(rows), whole(b)) {
                    // Known lengths, so that nothing is checked.
                    (Some(rows), Some(b)) => {
                        for d in 0..LANES {
                            add(
                                simd,
                                &mut sums,
                                #[inline(always)]
                                |r| rows[r][d],
                                #[inline(always)]
                                |j, v| b[j][d][v],
                            );
                        }
                    }
                    _ => {
                        for d in 0..len {
                            add(
                                simd,
                                &mut sums,
                                #[inline(always)]
                                |r| rows[r][d],
                                #[inline(always)]
                                |j, v| b[j][d][v],
                            );
                        }
                    }
                }
            } else {
                for d in 0..len {
                    let at = d * left.depth_step + row;
                    let column: &[f32; R] = a[at..].first_chunk().expect("as many rows");
                    add(
                        simd,
                        &mut sums,
                        #[inline(always)]
                        |r| column[r],
                        #[inline(always)]
                        |j, v| b[j][d][v],
                    );
                }
            }
            done += len;
        }
        for (r, sums) in sums.iter().enumerate() {
            for (j, sums) in sums.iter().enumerate() {
                let at = (row + r) * self.out.row + (block + j) * self.out.block;
                let out = S::as_mut_simd_f32s(&mut self.out.values[at..][..LANES]).0;
                for v in 0..V {
                    out[v] = if self.out.add { simd.add_f32s(out[v], sums[v]) } else { sums[v] };
                }
            }
        }
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    // As many sums as the registers hold, so that one product need not wait for another. Loops here and below, for what
    // is given to an iterator is not always inlined, and then has no vector instructions.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut block = 0;
        if S::F32_LANES == LANES {
            while block + 2 <= self.blocks {
                self.columns::<S, 8, 2, 1>(simd, block);
                block += 2;
            }
        }
        while block < self.blocks {
            match S::F32_LANES {
                16 => self.columns::<S, 8, 1, 1>(simd, block),
                8 => self.columns::<S, 6, 1, 2>(simd, block),
                4 => self.columns::<S, 4, 1, 4>(simd, block),
                _ => self.columns::<S, 1, 1, 16>(simd, block),
            }
            block += 1;
        }
    }
}

/// Slices of sixteen.
#[inline(always)]
fn whole<T, const N: usize>(slices: [&[T]; N]) -> Option<[&[T; LANES]; N]> {
    let mut whole = [slices[0].first_chunk()?; N];
    for (whole, slice) in whole.iter_mut().zip(slices) {
        *whole = slice.first_chunk()?;
    }
    Some(whole)
}

/// Adds one depth's outer product.
#[inline(always)]
fn add<S: Simd, const R: usize, const B: usize, const V: usize>(
    simd: S,
    sums: &mut [[[S::f32s; V]; B]; R],
    left: impl Fn(usize) -> f32,
    right: impl Fn(usize, usize) -> S::f32s,
) {
    for (r, sums) in sums.iter_mut().enumerate() {
        let left = simd.splat_f32s(left(r));
        for (j, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add_e_f32s(left, right(j, v), *sum);
            }
        }
    }
}
