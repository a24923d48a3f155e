//! The membership as data.
