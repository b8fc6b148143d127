//! One layer laid over what is there: directories become one, of everything else the upper stands.

use std::fs;
use std::io;
use std::path::Path;

/// Lays the tree at `upper` over the one at `base`. Files are hard links, since nothing writes to either.
pub(super) fn over(upper: &Path, base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(upper)? {
        let entry = entry?;
        let (kind, from, to) = (entry.file_type()?, entry.path(), base.join(entry.file_name()));
        let below = match fs::symlink_metadata(&to) {
            Ok(metadata) => Some(metadata.file_type()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match below {
            Some(below) if below.is_dir() && kind.is_dir() => {}
            Some(below) if below.is_dir() => fs::remove_dir_all(&to)?,
            Some(_) => fs::remove_file(&to)?,
            None => {}
        }
        if kind.is_dir() {
            if !below.is_some_and(|below| below.is_dir()) {
                fs::create_dir(&to)?;
            }
            over(&from, &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            // Too many links to it already, or a file system without them.
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}
