//! What an adversary may do to an input, and what it wants.

pub(crate) mod bounds;
pub(crate) mod epsilon;
pub(crate) mod feature_rules;
pub(crate) mod goal;
pub(crate) mod labels;
pub(crate) mod norm;
pub(crate) mod numbers;
pub(crate) mod objective;
pub(crate) mod perturbation_set;
mod possible_inputs;
pub(crate) mod related_rows;
pub(crate) mod relation;
pub(crate) mod row_rules;
pub(crate) mod rule_error;
pub(crate) mod scale;
pub(crate) mod threat_model;
