//! Event source mappings in SQLite.

use super::super::Pending;
use super::super::mappings::{MappingRecord, Mappings};
use super::readers::Readers;
use super::writer::Writer;
use super::{decode_all, encode};
use std::sync::Arc;

/// The table `mapping`.
pub(super) struct MappingTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl Mappings for MappingTable {
    fn put(&self, mapping: MappingRecord) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |txn| {
            let mut put = txn.connection.prepare_cached("INSERT OR REPLACE INTO mapping VALUES (?1, ?2)")?;
            Ok(put.execute((&mapping.uuid, encode(&mapping)?)).map(drop)?)
        }))
    }

    fn get(&self, uuid: String) -> Pending<'_, Option<MappingRecord>> {
        self.readers.read(move |connection| {
            Ok(decode_all(connection, "SELECT record FROM mapping WHERE uuid = ?1", [uuid])?.pop())
        })
    }

    fn delete(&self, uuid: String) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            Ok(txn.connection.prepare_cached("DELETE FROM mapping WHERE uuid = ?1")?.execute([&uuid])? > 0)
        }))
    }

    fn load(&self) -> Pending<'_, Vec<MappingRecord>> {
        self.readers.read(|connection| decode_all(connection, "SELECT record FROM mapping ORDER BY uuid", ()))
    }
}
