//! Passes over one row.
