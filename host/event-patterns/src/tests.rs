mod matching;
mod refusals;
mod robustness;

use serde_json::{Value, json};

use super::*;
