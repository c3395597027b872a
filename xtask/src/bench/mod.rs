//! `cargo xtask bench`: counts instructions of every kernel and of whole models on every core, and
//! compares them with the record in the repository, with what others need, and with the goals.

mod backend;
mod command;
mod count;
pub mod document;
mod goals;
mod host;
pub mod models;
mod record;
mod row;
mod table;

pub use command::{Options, bench, check};
pub use row::{Row, read};
