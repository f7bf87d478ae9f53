//! What the benches share: the networks and batches that are measured, the timing, and the ratios that
//! are printed after a run.

pub mod cases;
pub mod measured;
pub mod ratios;
pub mod timing;
