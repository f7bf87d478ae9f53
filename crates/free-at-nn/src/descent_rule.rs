//! What a step of gradient descent is made of.

#[derive(Clone, Copy, Debug)]
pub(crate) struct DescentRule {
    pub(crate) momentum: Option<Momentum>,
    /// This times a parameter is added to its gradient.
    pub(crate) decay: Option<f32>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Momentum {
    pub(crate) momentum: f32,
    /// What is taken of a new gradient.
    pub(crate) fresh: f32,
    pub(crate) nesterov: bool,
}
