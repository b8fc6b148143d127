//! Code signing configurations in SQLite.

use super::super::Pending;
use super::super::code_signing::{CodeSigningConfigRecord, CodeSigningConfigs};
use super::readers::Readers;
use super::writer::Writer;
use super::{decode_all, encode};
use std::sync::Arc;

/// The table `code_signing_config`.
pub(super) struct CodeSigningTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl CodeSigningConfigs for CodeSigningTable {
    fn put(&self, config: CodeSigningConfigRecord) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |txn| {
            let mut put =
                txn.connection.prepare_cached("INSERT OR REPLACE INTO code_signing_config VALUES (?1, ?2)")?;
            Ok(put.execute((&config.id, encode(&config)?)).map(drop)?)
        }))
    }

    fn delete(&self, id: String) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            Ok(txn.connection.prepare_cached("DELETE FROM code_signing_config WHERE id = ?1")?.execute([&id])? > 0)
        }))
    }

    fn load(&self) -> Pending<'_, Vec<CodeSigningConfigRecord>> {
        self.readers.read(|connection| decode_all(connection, "SELECT record FROM code_signing_config ORDER BY id", ()))
    }
}
