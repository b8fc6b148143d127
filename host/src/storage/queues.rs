//! Queues and their messages, standard and FIFO, as SQS has them.
//!
//! Times are milliseconds since the Unix epoch and come from the caller; storage reads no clock.
//! Attributes and sizes are validated by the caller: storage keeps what it is given and acts on it.
//! Standard queues deliver at least once, roughly oldest first. FIFO queues deliver the messages of a group in the order
//! of their sequence numbers, and none of a group while one of its messages is in flight.
//! Receiving, dead-lettering and expiry are each one durable transaction: a receive count is never lost, and a message
//! is in exactly one queue. `ReceiveRequestAttemptId`, long polling and the limit of messages in flight belong to the front end.

use super::Pending;
use crate::ids::QueueName;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use tokio::sync::watch;
use uuid::Uuid;

/// How long a deduplication id is remembered, received and deleted messages included
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>).
pub const DEDUPLICATION_WINDOW_MS: i64 = 5 * 60 * 1000;

/// The longest a message stays invisible, counted from its receive
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>).
pub const MAXIMUM_VISIBILITY_MS: i64 = 12 * 60 * 60 * 1000;

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedrivePolicy {
    /// The dead-letter queue. While no such queue exists, messages stay.
    pub dead_letter_queue: QueueName,
    /// A message received this often moves instead of being received again; 1 to 1,000.
    pub max_receive_count: u32,
}

/// Which queues may name this one as their dead-letter queue. Checked by the front end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedriveAllowPolicy {
    /// Any.
    AllowAll,
    /// None.
    DenyAll,
    /// These, at most ten.
    ByQueue(Vec<QueueName>),
}

/// Among which messages a deduplication id is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeduplicationScope {
    /// The whole queue.
    #[default]
    Queue,
    /// One message group.
    MessageGroup,
}

/// What AWS's throughput quota applies to. Echoed only: Lamina has no such quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FifoThroughputLimit {
    /// The whole queue.
    #[default]
    PerQueue,
    /// One message group.
    PerMessageGroupId,
}

/// What only FIFO queues have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FifoAttributes {
    /// The front end takes the SHA-256 of the body where a message has no deduplication id.
    pub content_based_deduplication: bool,
    /// Among which messages a deduplication id is unique.
    pub deduplication_scope: DeduplicationScope,
    /// Echoed.
    pub throughput_limit: FifoThroughputLimit,
}

/// How a queue behaves. The default is that of `CreateQueue` without attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueAttributes {
    /// How long a received message stays invisible where the receive does not say, 0 to 43,200.
    pub visibility_timeout_s: u32,
    /// How long a sent message stays invisible where it does not say, 0 to 900.
    pub delay_s: u32,
    /// How long a message is kept, 60 to 1,209,600.
    pub retention_s: u32,
    /// The largest message, 1,024 to 1,048,576.
    pub maximum_message_size_bytes: u32,
    /// How long a receive waits where it does not say, 0 to 20.
    pub receive_wait_s: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<RedrivePolicy>,
    /// Which queues may name this one as theirs for dead letters.
    pub redrive_allow: Option<RedriveAllowPolicy>,
    /// `Some` makes it a FIFO queue; fixed when the queue is created.
    pub fifo: Option<FifoAttributes>,
    /// Attributes that are stored and echoed only (`Policy`, `KmsMasterKeyId`, `SqsManagedSseEnabled` …), by their AWS names.
    pub echoed: BTreeMap<String, String>,
}

impl Default for QueueAttributes {
    fn default() -> Self {
        Self {
            visibility_timeout_s: 30,
            delay_s: 0,
            retention_s: 345_600,
            maximum_message_size_bytes: 1_048_576,
            receive_wait_s: 0,
            redrive: None,
            redrive_allow: None,
            fifo: None,
            echoed: BTreeMap::new(),
        }
    }
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecord {
    /// Its name, the key.
    pub name: QueueName,
    /// How it behaves.
    pub attributes: QueueAttributes,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
    /// When it was created.
    pub created_at_ms: i64,
    /// When its attributes were last set.
    pub modified_at_ms: i64,
}

/// No queue of that name. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no queue named {0}")]
pub struct NoSuchQueue(pub QueueName);

/// What a call on one queue gives: an answer, or no such queue.
pub type OnQueue<'a, T> = Pending<'a, Result<T, NoSuchQueue>>;

/// How `create` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The queue is new.
    New,
    /// There already is this queue with equal attributes; nothing was changed.
    Same(QueueRecord),
    /// There already is a queue of that name with other attributes (this record); nothing was changed.
    Different(QueueRecord),
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewMessage {
    /// The text.
    pub body: String,
    /// Message attributes as the front end encodes them (JSON); not interpreted.
    pub attributes: Option<String>,
    /// Message system attributes as the front end encodes them (the trace header …); not interpreted.
    pub system_attributes: Option<String>,
    /// How long it stays invisible, 0 to 900; `None` takes the queue's. FIFO queues take only the queue's.
    pub delay_s: Option<u32>,
    /// The message group. Required on a FIFO queue (a missing one counts as the empty name); stored and echoed on a standard one.
    pub group_id: Option<String>,
    /// On a FIFO queue, a second message of this id within [`DEDUPLICATION_WINDOW_MS`] is answered with the first. Echoed.
    pub deduplication_id: Option<String>,
    /// The queue that it was moved from, for a dead letter.
    pub dead_letter_source: Option<QueueName>,
}

/// What became of one sent message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendOutcome {
    /// Its id; for a duplicate, that of the first.
    pub message_id: Uuid,
    /// FIFO queues: its place; for a duplicate, that of the first.
    pub sequence_number: Option<u64>,
    /// A message of this deduplication id was sent before; nothing was added.
    pub duplicate: bool,
}

/// Names one receive of one message. Unique and unguessable; its text form is opaque to clients.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReceiptHandle {
    /// The backend's number of the queue.
    pub(super) queue: i64,
    /// The backend's number of the message.
    pub(super) message: i64,
    /// Random, of this receive.
    pub(super) token: i64,
}

/// The text is not that of a receipt handle. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a receipt handle")]
pub struct InvalidHandle;

impl ReceiptHandle {
    /// Leads every handle, so that another layout can be told apart.
    const LAYOUT: u8 = 1;
}

impl fmt::Display for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(25);
        bytes.push(Self::LAYOUT);
        for number in [self.queue, self.message, self.token] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Without the token: whoever has it may delete the message.
impl fmt::Debug for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptHandle({}/{})", self.queue, self.message)
    }
}

impl std::str::FromStr for ReceiptHandle {
    type Err = InvalidHandle;
    fn from_str(text: &str) -> Result<Self, InvalidHandle> {
        // The length is checked first so that a long text is not decoded.
        if text.len() != 34 {
            return Err(InvalidHandle);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidHandle)?;
        let (layout, numbers) = bytes.split_first().ok_or(InvalidHandle)?;
        let (numbers, []) = numbers.as_chunks::<8>() else { return Err(InvalidHandle) };
        match (*layout, numbers) {
            (Self::LAYOUT, &[queue, message, token]) => Ok(Self {
                queue: i64::from_be_bytes(queue),
                message: i64::from_be_bytes(message),
                token: i64::from_be_bytes(token),
            }),
            _ => Err(InvalidHandle),
        }
    }
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Its id, kept when it moves to a dead-letter queue.
    pub message_id: Uuid,
    /// Of this receive.
    pub receipt_handle: ReceiptHandle,
    /// As sent.
    pub body: String,
    /// As sent.
    pub attributes: Option<String>,
    /// As sent.
    pub system_attributes: Option<String>,
    /// When it was sent, kept when it moves to a dead-letter queue.
    pub sent_at_ms: i64,
    /// When it was first received, in any queue.
    pub first_received_at_ms: i64,
    /// How often it was received, this time and other queues included.
    pub receive_count: u32,
    /// FIFO queues: its place.
    pub sequence_number: Option<u64>,
    /// As sent.
    pub group_id: Option<String>,
    /// As sent.
    pub deduplication_id: Option<String>,
    /// The queue from which it moved here for having been received too often.
    pub dead_letter_source: Option<QueueName>,
}

/// What a receive gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// At most as many as asked for; FIFO: in order within each group.
    pub messages: Vec<ReceivedMessage>,
    /// How many messages moved to the dead-letter queue on the way.
    pub dead_lettered: u32,
}

/// What became of one receipt handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleOutcome {
    /// Done.
    Done,
    /// The message is no longer in this queue: deleted, expired, purged or moved.
    Gone,
    /// The handle is not that of the message's last receive; on a FIFO queue also: its visibility timeout has passed.
    Stale,
    /// The handle is of another queue.
    Foreign,
    /// Change of visibility only: the message is visible, so there is nothing to change.
    NotInFlight,
    /// Change of visibility only: it would be invisible for more than [`MAXIMUM_VISIBILITY_MS`] after its receive.
    TooLong,
}

/// What a queue holds. Messages past their retention count until they are swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Messages that could be received now (FIFO: those of blocked groups included).
    pub visible: u64,
    /// Messages received and neither deleted nor visible again.
    pub in_flight: u64,
    /// Messages not yet visible for the first time.
    pub delayed: u64,
    /// When the oldest message, visible or not, was enqueued.
    pub oldest_enqueued_at_ms: Option<i64>,
}

/// The table of queues and messages.
pub trait Queues: Send + Sync + 'static {
    /// Creates a queue unless one of that name exists. Attributes are compared whole; tags are not.
    fn create(&self, queue: QueueRecord) -> Pending<'_, Created>;

    /// Replaces a queue's attributes (`fifo` may change but not appear or disappear: that is kept as it was).
    /// They hold for later sends and receives; retention and redrive for messages already there too.
    fn put_attributes(&self, queue: QueueName, attributes: QueueAttributes, now_ms: i64) -> OnQueue<'_, ()>;

    /// Replaces a queue's tags.
    fn put_tags(&self, queue: QueueName, tags: BTreeMap<String, String>) -> OnQueue<'_, ()>;

    /// Deletes a queue and its messages. Space is given back by [`Queues::sweep`].
    fn delete(&self, queue: QueueName) -> OnQueue<'_, ()>;

    /// One queue.
    fn get(&self, queue: QueueName) -> Pending<'_, Option<QueueRecord>>;

    /// Queues whose name starts with `prefix` and is greater than `after`, in order of their names, at most `limit`.
    fn list(&self, prefix: String, after: Option<String>, limit: usize) -> Pending<'_, Vec<QueueRecord>>;

    /// Adds messages in order, all or none; one outcome a message.
    fn send(&self, queue: QueueName, messages: Vec<NewMessage>, now_ms: i64) -> OnQueue<'_, Vec<SendOutcome>>;

    /// Takes at most `max` visible messages and makes them invisible for `visibility_timeout_s` (`None`: the queue's).
    /// Messages already received `max_receive_count` times move to the dead-letter queue instead; those past
    /// their retention are dropped. Both are bounded a call: a call may give less than there is.
    fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility_timeout_s: Option<u32>,
        now_ms: i64,
    ) -> OnQueue<'_, Received>;

    /// Deletes received messages; one outcome a handle.
    fn delete_messages(
        &self,
        queue: QueueName,
        handles: Vec<ReceiptHandle>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>>;

    /// Makes received messages invisible for so many seconds from now (0: visible at once); one outcome a handle.
    fn change_visibility(
        &self,
        queue: QueueName,
        changes: Vec<(ReceiptHandle, u32)>,
        now_ms: i64,
    ) -> OnQueue<'_, Vec<HandleOutcome>>;

    /// Deletes all messages of a queue. Deduplication ids stay known. Space is given back by [`Queues::sweep`].
    fn purge(&self, queue: QueueName) -> OnQueue<'_, ()>;

    /// Counts a queue's messages; takes time with their number, off the write path.
    fn stats(&self, queue: QueueName, now_ms: i64) -> OnQueue<'_, QueueStats>;

    /// When the next message can be received unless one is deleted before (which may unblock a FIFO group):
    /// in the past if one can be now, `None` if there is none.
    fn next_visible_at(&self, queue: QueueName) -> OnQueue<'_, Option<i64>>;

    /// Removes at most about `limit` things that no longer count: messages past their retention, those of purged and deleted
    /// queues, old deduplication ids. Gives how many: as many as `limit` means that there is probably more.
    fn sweep(&self, now_ms: i64, limit: usize) -> Pending<'_, usize>;

    /// Changes whenever messages of a queue of that name (existing or not) may have become visible other than by passing time:
    /// sent, dead-lettered, given back, or unblocked by a deletion. Marks are not durable and not counts.
    fn arrivals(&self, queue: &QueueName) -> watch::Receiver<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_handle_survives_its_text_form() {
        let handle = ReceiptHandle { queue: 7, message: i64::MAX, token: -3 };
        assert_eq!(handle.to_string().parse(), Ok(handle));
    }

    #[test]
    fn other_texts_are_no_receipt_handles() {
        let good = ReceiptHandle { queue: 7, message: 1, token: 2 }.to_string();
        for text in
            ["", "x", &good[1..], &format!("{good}A"), &good.replace('A', "="), &"A".repeat(34), &"é".repeat(17)]
        {
            assert_eq!(text.parse::<ReceiptHandle>(), Err(InvalidHandle), "{text}");
        }
    }
}
