//! Sweeps: many seeds, each distinct failure named once.

pub mod junit;
pub mod ledger;
pub mod line;
pub mod markdown;
pub mod pool;
pub mod summary;

pub use line::Line;
pub use summary::Summary;
