//! Layer versions in SQLite.

use super::super::Pending;
use super::super::layers::{LayerVersionRecord, Layers};
use super::readers::Readers;
use super::writer::Writer;
use super::{decode_all, encode};
use crate::ids::LayerName;
use std::sync::Arc;

/// The tables `layer` and `layer_version`.
pub(super) struct LayerTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl Layers for LayerTable {
    fn publish(&self, layer: LayerVersionRecord) -> Pending<'_, u64> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "INSERT INTO layer VALUES (?1, 1)
                ON CONFLICT DO UPDATE SET last_version = last_version + 1 RETURNING last_version";
            let version: u64 =
                txn.connection.prepare_cached(sql)?.query_row([layer.name.as_str()], |row| row.get(0))?;
            let numbered = LayerVersionRecord { version, ..layer.clone() };
            let mut put = txn.connection.prepare_cached("INSERT INTO layer_version VALUES (?1, ?2, ?3)")?;
            put.execute((numbered.name.as_str(), version, encode(&numbered)?))?;
            Ok(version)
        }))
    }

    fn replace(&self, layer: LayerVersionRecord) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "UPDATE layer_version SET record = ?3 WHERE name = ?1 AND version = ?2";
            let mut put = txn.connection.prepare_cached(sql)?;
            Ok(put.execute((layer.name.as_str(), layer.version, encode(&layer)?))? > 0)
        }))
    }

    fn delete(&self, name: LayerName, version: u64) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "DELETE FROM layer_version WHERE name = ?1 AND version = ?2";
            Ok(txn.connection.prepare_cached(sql)?.execute((name.as_str(), version))? > 0)
        }))
    }

    fn load(&self) -> Pending<'_, Vec<LayerVersionRecord>> {
        self.readers
            .read(|connection| decode_all(connection, "SELECT record FROM layer_version ORDER BY name, version", ()))
    }
}
