//! What the benches share: the networks and batches that are measured, the timing, the ratios that are
//! printed after a run, and its record.

pub mod cases;
pub mod measured;
pub mod ratio;
pub mod ratios;
pub mod record;
pub mod timing;
