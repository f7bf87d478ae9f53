//! Norms as they are written.

use std::str::FromStr;

use super::geometry::Geometry;
use super::{Norm, with_norm};
use crate::error::Error;

/// What can be written: the norms, and L0.
const WRITTEN: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

impl FromStr for Norm {
    type Err = Error;

    /// As it is written in files, `linf`, or as it is printed.
    fn from_str(text: &str) -> Result<Self, Error> {
        let called = |norm: &Self| {
            let names = with_norm!(*norm, N => [N::KEY, N::NAME, N::IN_WORDS]);
            names.iter().any(|name| name.eq_ignore_ascii_case(text))
        };
        WRITTEN.into_iter().find(called).ok_or_else(|| Error::NormText {
            text: text.into(),
            known: WRITTEN.map(|norm| with_norm!(norm, N => N::KEY)).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_is_parsed_as_it_is_printed_and_as_it_is_serialised() {
        for norm in WRITTEN {
            let json = serde_json::to_string(&norm).unwrap();
            for text in [norm.to_string(), norm.in_words().into(), json.trim_matches('"').into()] {
                assert_eq!(text.parse(), Ok(norm));
            }
        }
        assert!(matches!("l7".parse::<Norm>(), Err(Error::NormText { .. })));
    }
}
