//! What holds for a function as a whole, beside its concurrency: tags, recursion, runtime management.

use super::{Catalog, Result};
use crate::ids::FunctionName;
use crate::storage::functions::{Change, FunctionRecord};

impl Catalog {
    /// Changes what holds for a function as a whole; `edit` gets it as it is and may refuse.
    pub async fn update_function(
        &self,
        name: &FunctionName,
        edit: impl FnOnce(&mut FunctionRecord) -> Result<()>,
    ) -> Result<FunctionRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            let mut record = view.records.function.clone();
            edit(&mut record)?;
            let changes = match record == view.records.function {
                true => Vec::new(),
                false => vec![Change::PutFunction(record.clone())],
            };
            Ok((changes, record))
        })
        .await
    }
}
