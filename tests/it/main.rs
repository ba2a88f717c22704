//! Integration tests against real parts.

mod client;
mod daemon;
mod ini;
mod python;
mod render;
mod runner;
