//! Queues: created, or given the declared attributes. Messages stay.

use super::Run;
use crate::config::QueueDeclaration;
use crate::storage::queues::{Created, QueueAttributes, QueueRecord};
use std::collections::BTreeMap;

impl Run<'_> {
    pub(super) async fn queues(&mut self) {
        let config = self.config;
        // Dead-letter queues first: those that name one find it.
        let mut order: Vec<_> = config.queues.iter().enumerate().collect();
        order.sort_by_key(|(_, queue)| queue.dead_letter_queue.is_some());
        for (index, queue) in order {
            match self.queue(queue).await {
                Ok(Some(change)) => self.changed(change),
                Ok(None) => self.outcome.unchanged = self.outcome.unchanged.saturating_add(1),
                Err(error) => self.failed(&format!("queues[{index}]"), error),
            }
        }
        for queue in &config.queues {
            if let Some(dead_letters) = &queue.dead_letter_queue {
                self.look_for_queue(dead_letters, &format!("queue {}", queue.name)).await;
            }
        }
    }

    async fn queue(&self, declared: &QueueDeclaration) -> Result<Option<String>, String> {
        let queues = &self.parts.queues;
        let name = &declared.name;
        let now_ms = self.parts.clock.now_ms();
        let failed = |error: crate::storage::Error| error.to_string();
        let current = match queues.get(name.clone()).await.map_err(failed)? {
            Some(current) => current,
            None => {
                let record = QueueRecord {
                    name: name.clone(),
                    attributes: declared.attributes(),
                    tags: BTreeMap::new(),
                    created_at_ms: now_ms,
                    modified_at_ms: now_ms,
                };
                match queues.create(record).await.map_err(failed)? {
                    Created::New => return Ok(Some(format!("queue {name} was created"))),
                    Created::Same(_) => return Ok(None),
                    Created::Different(current) => current,
                }
            }
        };
        let wanted = with_undeclared(declared.attributes(), &current.attributes);
        if wanted == current.attributes {
            return Ok(None);
        }
        let put = queues.put_attributes(name.clone(), wanted, now_ms).await.map_err(failed)?;
        put.map_err(|error| error.to_string())?;
        Ok(Some(format!("queue {name} has new attributes")))
    }
}

/// What the file has no key for is as the API left it.
fn with_undeclared(wanted: QueueAttributes, current: &QueueAttributes) -> QueueAttributes {
    let fifo = match (wanted.fifo, &current.fifo) {
        (Some(wanted), Some(current)) => Some(crate::storage::queues::FifoAttributes {
            content_based_deduplication: wanted.content_based_deduplication,
            ..current.clone()
        }),
        (_, current) => current.clone(),
    };
    QueueAttributes { redrive_allow: current.redrive_allow.clone(), echoed: current.echoed.clone(), fifo, ..wanted }
}
