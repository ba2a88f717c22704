//! What runs under a real supervisord comes into an inventory, and nothing of it is restarted.

#![expect(clippy::disallowed_methods, reason = "furnishes hosts and looks at their files")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod files;
mod hosts;
mod property;
mod unmanaged;
