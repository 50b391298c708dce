//! Builds and runs every check of the project.
fn main() {}
