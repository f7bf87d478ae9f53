//! What `docs/extending.md` shows: a new attack on the public interface alone.

pub(crate) mod ddn;
