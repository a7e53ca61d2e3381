//! What the fuzz targets run. It is a part of the crate's tests, where `tests/corpus.rs` replays
//! the seeds.
#![allow(dead_code)] // the tests use more of it

#[path = "../../tests/common/fuzzing.rs"]
pub mod fuzzing;
#[path = "../../tests/common/kinds.rs"]
pub mod kinds;
#[path = "../../tests/common/naive.rs"]
pub mod naive;
#[path = "../../tests/common/side_by_side.rs"]
pub mod side_by_side;
