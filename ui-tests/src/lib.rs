//! Compile-time tests of the macros.
