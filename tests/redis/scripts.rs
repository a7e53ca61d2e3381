//! The scripts themselves.
