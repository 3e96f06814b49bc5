//! One file a store. What is tuned, and why, is in the file's own text and in its `describe`.

pub mod fjall;
pub mod lmdb;
pub mod redb;
pub mod rocksdb;
pub mod shim;
pub mod sled;
pub mod tkrzw;
pub mod warp;
pub mod yardstick;
