//! The one-dimensional transforms of F(4, 3), and how they make those of a tile.
//!
//! A row of pixels and a row of weights are polynomials, and a product of polynomials is one number times
//! another at each of six points: 0, ±p, ±q and ∞. With p = √½ and q = √2 in place of the usual 1 and 2 the
//! rounding error is a fifth, at the same cost.

use pulp::Simd;

use crate::flex::convolution::product::LANES;

/// Output pixels of a tile, on a side.
pub(super) const TILE: usize = 4;
/// Input pixels of a tile, and points, on a side.
pub(super) const POINTS: usize = 6;
/// Points of a tile.
pub(super) const ALL_POINTS: usize = POINTS * POINTS;

const P: f32 = std::f32::consts::FRAC_1_SQRT_2;
const Q: f32 = std::f32::consts::SQRT_2;
const P2: f32 = 0.5;
const Q2: f32 = 2.0;
// Products of a point's distances to the others: p²q² = 1 for 0, and for p and q:
const NP: f32 = 2.0 * P2 * (P2 - Q2);
const NQ: f32 = 2.0 * Q2 * (Q2 - P2);

/// Register `v` of the line of sixteen numbers at `at`.
#[inline(always)]
pub(super) fn register<S: Simd>(values: &[f32], at: usize, v: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + LANES]).0[v]
}

/// A transform along both sides of a tile: down its columns, then along its rows.
#[inline(always)]
pub(super) fn both<S: Simd, const I: usize, const O: usize>(
    simd: S,
    load: impl Fn(usize, usize) -> S::f32s,
    line: impl Fn([S::f32s; I]) -> [S::f32s; O],
) -> [[S::f32s; O]; O] {
    // Loops, since what `array::from_fn` is given is not always inlined, and then has no vector instructions.
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; O]; I];
    for (x, columns) in columns.iter_mut().enumerate() {
        let mut column = [zero; I];
        for (y, pixel) in column.iter_mut().enumerate() {
            *pixel = load(y, x);
        }
        *columns = line(column);
    }
    let mut tile = [[zero; O]; O];
    for (y, out) in tile.iter_mut().enumerate() {
        let mut row = [zero; I];
        for (pixel, column) in row.iter_mut().zip(&columns) {
            *pixel = column[y];
        }
        *out = line(row);
    }
    tile
}

#[inline(always)]
fn fma<S: Simd>(s: S, a: f32, b: S::f32s, c: S::f32s) -> S::f32s {
    s.mul_add_e_f32s(s.splat_f32s(a), b, c)
}

#[inline(always)]
fn mul<S: Simd>(s: S, a: f32, b: S::f32s) -> S::f32s {
    s.mul_f32s(s.splat_f32s(a), b)
}

/// Six input pixels at the six points: Bᵀd.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
    let even_p = fma(s, -Q2, d[2], d[4]);
    let odd_p = mul(s, P, fma(s, -Q2, d[1], d[3]));
    let even_q = fma(s, -P2, d[2], d[4]);
    let odd_q = mul(s, Q, fma(s, -P2, d[1], d[3]));
    [
        s.add_f32s(d[0], fma(s, -(P2 + Q2), d[2], d[4])),
        s.add_f32s(even_p, odd_p),
        s.sub_f32s(even_p, odd_p),
        s.add_f32s(even_q, odd_q),
        s.sub_f32s(even_q, odd_q),
        s.add_f32s(d[1], fma(s, -(P2 + Q2), d[3], d[5])),
    ]
}

/// Four output pixels from their values at the six points: Aᵀm.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
    let (even_p, odd_p) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (even_q, odd_q) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    [
        s.add_f32s(m[0], s.add_f32s(even_p, even_q)),
        fma(s, P, odd_p, mul(s, Q, odd_q)),
        fma(s, P2, even_p, mul(s, Q2, even_q)),
        fma(s, P2 * P, odd_p, fma(s, Q2 * Q, odd_q, m[5])),
    ]
}

/// Four output gradients at the six points: Ay, the transpose of `output`.
#[inline(always)]
pub(super) fn gradient<S: Simd>(s: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
    let even_p = fma(s, P2, y[2], y[0]);
    let odd_p = fma(s, P, y[1], mul(s, P2 * P, y[3]));
    let even_q = fma(s, Q2, y[2], y[0]);
    let odd_q = fma(s, Q, y[1], mul(s, Q2 * Q, y[3]));
    [
        y[0],
        s.add_f32s(even_p, odd_p),
        s.sub_f32s(even_p, odd_p),
        s.add_f32s(even_q, odd_q),
        s.sub_f32s(even_q, odd_q),
        y[3],
    ]
}

/// Three weights at the six points: Gg.
#[inline(always)]
pub(super) fn weight<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
    let even_p = fma(s, 1.0 / NP, g[0], mul(s, P2 / NP, g[2]));
    let odd_p = mul(s, P / NP, g[1]);
    let even_q = fma(s, 1.0 / NQ, g[0], mul(s, Q2 / NQ, g[2]));
    let odd_q = mul(s, Q / NQ, g[1]);
    [
        g[0],
        s.add_f32s(even_p, odd_p),
        s.sub_f32s(even_p, odd_p),
        s.add_f32s(even_q, odd_q),
        s.sub_f32s(even_q, odd_q),
        g[2],
    ]
}

/// Three weight gradients from their values at the six points: Gᵀu, the transpose of `weight`.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd>(s: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
    let (even_p, odd_p) = (s.add_f32s(u[1], u[2]), s.sub_f32s(u[1], u[2]));
    let (even_q, odd_q) = (s.add_f32s(u[3], u[4]), s.sub_f32s(u[3], u[4]));
    [
        s.add_f32s(u[0], fma(s, 1.0 / NP, even_p, mul(s, 1.0 / NQ, even_q))),
        fma(s, P / NP, odd_p, mul(s, Q / NQ, odd_q)),
        fma(s, P2 / NP, even_p, fma(s, Q2 / NQ, even_q, u[5])),
    ]
}
