//! Function URLs: created, changed, deleted, found.
//!
//! A function has at most one URL for `$LATEST` and one for each alias; an alias takes its URL along when it is deleted.

use super::{Catalog, Error, Result, View};
use crate::ids::{AliasName, FunctionName, Qualifier};
use crate::storage::functions::{Change, Cors, InvokeMode, UrlAuthType, UrlRecord};
use std::sync::Arc;

/// What a request may set about a URL; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UrlChange {
    /// Who may call it.
    pub auth_type: Option<UrlAuthType>,
    /// For pages of other origins, as a whole.
    pub cors: Option<Cors>,
    /// How it answers.
    pub invoke_mode: Option<InvokeMode>,
}

impl Catalog {
    /// Gives a function, or an alias of it, a URL.
    pub async fn create_url(
        &self,
        name: &FunctionName,
        alias: Option<AliasName>,
        auth_type: UrlAuthType,
        cors: Option<Cors>,
        invoke_mode: InvokeMode,
    ) -> Result<UrlRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            if let Some(alias) = alias.as_ref().filter(|alias| !view.records.aliases.contains_key(*alias)) {
                return Err(self.not_found(name, Some(&Qualifier::Alias(alias.clone()))));
            }
            if view.records.urls.contains_key(&alias) {
                let arn = self.home().function_arn(name, alias.as_ref().map(|alias| alias as &dyn std::fmt::Display));
                return Err(Error::Exists(format!(
                    "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists \
                     for this Lambda function"
                )));
            }
            let now_ms = self.now_ms();
            let record = UrlRecord {
                function: name.clone(),
                alias,
                url_id: uuid::Uuid::new_v4().simple().to_string(),
                auth_type,
                cors,
                invoke_mode,
                created_at_ms: now_ms,
                modified_at_ms: now_ms,
            };
            Ok((vec![Change::PutUrl(record.clone())], record))
        })
        .await
    }

    /// Changes a URL. Requests under way finish as they began.
    pub async fn update_url(
        &self,
        name: &FunctionName,
        alias: Option<AliasName>,
        with: UrlChange,
    ) -> Result<UrlRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            let current = view.records.urls.get(&alias).ok_or(Error::UrlNotFound)?;
            let mut record = UrlRecord { modified_at_ms: self.now_ms(), ..UrlRecord::clone(current) };
            record.auth_type = with.auth_type.unwrap_or(record.auth_type);
            record.cors = with.cors.or(record.cors);
            record.invoke_mode = with.invoke_mode.unwrap_or(record.invoke_mode);
            Ok((vec![Change::PutUrl(record.clone())], record))
        })
        .await
    }

    /// Takes a URL away.
    pub async fn delete_url(&self, name: &FunctionName, alias: Option<AliasName>) -> Result<()> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            if !view.records.urls.contains_key(&alias) {
                return Err(Error::UrlNotFound);
            }
            Ok((vec![Change::DeleteUrl(name.clone(), alias)], ()))
        })
        .await
    }

    /// The URL of a function or of an alias.
    pub fn url(&self, name: &FunctionName, alias: Option<&AliasName>) -> Result<Arc<UrlRecord>> {
        let view = self.function(name)?.view();
        view.records.urls.get(&alias.cloned()).cloned().ok_or(Error::UrlNotFound)
    }

    /// The URL with this id.
    pub fn url_by_id(&self, url_id: &str) -> Option<Arc<UrlRecord>> {
        self.urls.get(url_id).map(|url| Arc::clone(&url))
    }

    /// Makes the URLs of `next` those that can be found.
    pub(super) fn publish_urls(&self, previous: Option<&View>, next: &View) {
        for url in previous.into_iter().flat_map(|view| view.records.urls.values()) {
            if !next.records.urls.values().any(|kept| kept.url_id == url.url_id) {
                self.urls.remove(&url.url_id);
            }
        }
        for url in next.records.urls.values() {
            self.urls.insert(url.url_id.clone(), Arc::clone(url));
        }
    }

    /// Forgets the URLs of a function that is gone.
    pub(super) fn forget_urls(&self, view: &View) {
        for url in view.records.urls.values() {
            self.urls.remove(&url.url_id);
        }
    }
}
