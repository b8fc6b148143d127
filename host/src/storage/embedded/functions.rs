//! Functions, versions, aliases and provisioned concurrency in SQLite.

use super::super::functions::{
    AliasRecord, Change, EventInvokeRecord, FunctionRecord, Functions, PolicyRecord, ProvisionedRecord, Snapshot,
    UrlRecord, VersionRecord,
};
use super::super::{Pending, Result};
use super::readers::Readers;
use super::writer::{Txn, Writer};
use super::{decode, decode_all, encode};
use crate::ids::{AliasName, FunctionName, Qualifier};
use rusqlite::{OptionalExtension, params};
use std::sync::Arc;

/// The tables `function*`.
pub(super) struct FunctionTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl Functions for FunctionTable {
    fn commit(&self, changes: Vec<Change>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |txn| changes.iter().try_for_each(|change| apply(txn, change))))
    }

    fn load(&self) -> Pending<'_, Snapshot> {
        self.readers.read(|connection| {
            // One transaction, so that all of it belongs together.
            let transaction = connection.unchecked_transaction()?;
            Ok(Snapshot {
                functions: decode_all::<FunctionRecord>(&transaction, "SELECT record FROM function", ())?,
                versions: decode_all::<VersionRecord>(&transaction, "SELECT record FROM function_version", ())?,
                aliases: decode_all::<AliasRecord>(&transaction, "SELECT record FROM function_alias", ())?,
                provisioned: decode_all::<ProvisionedRecord>(
                    &transaction,
                    "SELECT record FROM function_provisioned",
                    (),
                )?,
                urls: decode_all::<UrlRecord>(&transaction, "SELECT record FROM function_url", ())?,
                event_invoke: decode_all::<EventInvokeRecord>(
                    &transaction,
                    "SELECT record FROM function_event_invoke",
                    (),
                )?,
                policies: decode_all::<PolicyRecord>(&transaction, "SELECT record FROM function_policy", ())?,
            })
        })
    }

    fn retired_next_version(&self, name: FunctionName) -> Pending<'_, Option<u64>> {
        self.readers.read(move |connection| {
            let sql = "SELECT next_version FROM function_retired WHERE name = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([name.as_str()], |row| row.get(0)).optional()?)
        })
    }
}

fn apply(txn: &mut Txn<'_>, change: &Change) -> Result<()> {
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<()> {
        Ok(txn.connection.prepare_cached(sql)?.execute(params).map(drop)?)
    };
    match change {
        Change::PutFunction(record) => {
            run("INSERT OR REPLACE INTO function VALUES (?1, ?2)", params![record.name.as_str(), encode(record)?])
        }
        Change::DeleteFunction(name) => {
            let find = "SELECT record FROM function WHERE name = ?1";
            let found: Option<String> =
                txn.connection.prepare_cached(find)?.query_row([name.as_str()], |row| row.get(0)).optional()?;
            if let Some(record) = found {
                let record: FunctionRecord = decode(&record)?;
                let retire = "INSERT INTO function_retired VALUES (?1, ?2)
                    ON CONFLICT DO UPDATE SET next_version = max(next_version, excluded.next_version)";
                run(retire, params![name.as_str(), record.next_version])?;
            }
            run("DELETE FROM function WHERE name = ?1", params![name.as_str()])?;
            run("DELETE FROM function_version WHERE function = ?1", params![name.as_str()])?;
            run("DELETE FROM function_alias WHERE function = ?1", params![name.as_str()])?;
            run("DELETE FROM function_provisioned WHERE function = ?1", params![name.as_str()])?;
            run("DELETE FROM function_url WHERE function = ?1", params![name.as_str()])?;
            run("DELETE FROM function_event_invoke WHERE function = ?1", params![name.as_str()])?;
            run("DELETE FROM function_policy WHERE function = ?1", params![name.as_str()])
        }
        Change::PutVersion(record) => run(
            "INSERT OR REPLACE INTO function_version VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), record.version.to_string(), encode(record)?],
        ),
        Change::DeleteVersion(function, version) => run(
            "DELETE FROM function_version WHERE function = ?1 AND version = ?2",
            params![function.as_str(), version.to_string()],
        ),
        Change::PutAlias(record) => run(
            "INSERT OR REPLACE INTO function_alias VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), record.name.as_str(), encode(record)?],
        ),
        Change::DeleteAlias(function, name) => run(
            "DELETE FROM function_alias WHERE function = ?1 AND name = ?2",
            params![function.as_str(), name.as_str()],
        ),
        Change::PutProvisioned(record) => run(
            "INSERT OR REPLACE INTO function_provisioned VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), record.qualifier.to_string(), encode(record)?],
        ),
        Change::DeleteProvisioned(function, qualifier) => run(
            "DELETE FROM function_provisioned WHERE function = ?1 AND qualifier = ?2",
            params![function.as_str(), qualifier.to_string()],
        ),
        Change::PutUrl(record) => run(
            "INSERT OR REPLACE INTO function_url VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), alias_text(record.alias.as_ref()), encode(record)?],
        ),
        Change::DeleteUrl(function, alias) => run(
            "DELETE FROM function_url WHERE function = ?1 AND alias = ?2",
            params![function.as_str(), alias_text(alias.as_ref())],
        ),
        Change::PutEventInvoke(record) => run(
            "INSERT OR REPLACE INTO function_event_invoke VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), record.qualifier.to_string(), encode(record)?],
        ),
        Change::DeleteEventInvoke(function, qualifier) => run(
            "DELETE FROM function_event_invoke WHERE function = ?1 AND qualifier = ?2",
            params![function.as_str(), qualifier.to_string()],
        ),
        Change::PutPolicy(record) => run(
            "INSERT OR REPLACE INTO function_policy VALUES (?1, ?2, ?3)",
            params![record.function.as_str(), policy_key(record.qualifier.as_ref()), encode(record)?],
        ),
        Change::DeletePolicy(function, qualifier) => run(
            "DELETE FROM function_policy WHERE function = ?1 AND qualifier = ?2",
            params![function.as_str(), policy_key(qualifier.as_ref())],
        ),
    }
}

/// No alias is empty.
fn alias_text(alias: Option<&AliasName>) -> &str {
    alias.map_or("", AliasName::as_str)
}

/// The function as such has an empty qualifier, which no version or alias has.
fn policy_key(qualifier: Option<&Qualifier>) -> String {
    qualifier.map(ToString::to_string).unwrap_or_default()
}
