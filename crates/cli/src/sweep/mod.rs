//! Sweeps: many seeds, each distinct failure named once.

pub mod fold;
pub mod items;
pub mod junit;
pub mod ledger;
pub mod line;
pub mod markdown;
pub mod pool;
pub mod summary;

pub use fold::Fold;
pub use line::{Key, Line};
pub use summary::Summary;
