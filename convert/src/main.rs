//! conv
fn main(){}
