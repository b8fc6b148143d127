//! Everything the library is given, in one object.

use rquickjs::{Object, Result};

/// Adds each module's functions.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    crate::bytes::install(native)?;
    crate::compression::install(native)?;
    crate::context::install(native)?;
    crate::digest::install(native)?;
    crate::files::install(native)?;
    crate::modules::install(native)?;
    crate::system::install(native)?;
    crate::urls::install(native)
}
