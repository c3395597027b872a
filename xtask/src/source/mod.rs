//! Checks of the source as text: floors, circles, addresses, lines of code.

mod addresses;
mod circles;
pub mod floors;
mod imports;
pub mod lines;
mod tokens;
mod tree;
