//! Damaged files: whatever is in one, its reader comes back, with a result or an error, in time and within its memory.
//! A program of its own, for the allocator that counts.
//!
//! `cargo test` tries 12 to 400 inputs of each reader, from a fixed seed; `.ci/fuzz` goes on for an hour. An input that
//! a reader does not withstand is kept in `target/tmp/fuzz`, and goes into `corpus/` with the change that mends the reader.

mod cifar;
mod idx;
mod images;
mod inside;
mod limits;
mod mutator;
mod pytorch;
mod quiet;
mod records;
mod runs;
mod safetensors;
mod tables;
mod target;
