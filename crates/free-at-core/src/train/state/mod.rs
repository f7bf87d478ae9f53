//! What a training keeps from step to step, and across a restart of the program.

mod slot;
pub(crate) mod trainer_state;
pub(crate) mod worker;
