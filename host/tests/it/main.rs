//! In-process tests of the whole path from catalog to guest, in one binary.

mod invoke;
mod layers;
mod world;
