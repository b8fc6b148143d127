//! What all environments of this host share.

use super::calls::filesystem::TmpRoot;
use super::calls::outbound_http::{OutboundClient, OutboundCounters};
use super::limits::GrowthBudget;
use crate::clock::SharedClock;
use std::sync::Arc;

/// What all environments of this host share.
pub(super) struct Shared {
    pub(super) clock: SharedClock,
    pub(super) budget: Arc<GrowthBudget>,
    pub(super) tmp_root: Arc<TmpRoot>,
    pub(super) outbound: Arc<OutboundClient>,
    pub(super) outbound_counters: Arc<OutboundCounters>,
}
