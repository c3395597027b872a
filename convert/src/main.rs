//! The `picoformer` command.

fn main() {}
