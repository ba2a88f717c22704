//! Many machines at once.

pub mod rollout;
