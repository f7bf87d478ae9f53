//! Integration tests live in the `integration` target.
