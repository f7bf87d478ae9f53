//! Examples of free-at.
