//! The mistakes that users of the macros make, in `fail/`, each with what the compiler says of it.
