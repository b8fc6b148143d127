//! Deletes a directory tree a guest has built.
//!
//! The tree may be hostile: nested hundreds of thousands of levels deep, millions of names in one directory, names of any
//! bytes. So nothing here recurses, no path is ever joined, at most four file descriptors are open, and memory does not
//! grow with the tree: a directory's subdirectories are moved up to the top until every directory is one level deep.
//! Symbolic links are removed, never followed. Assumes that the tree is on one file system.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Removes `name` below `parent`, whatever it is. A name that is not there is not an error.
///
/// # Errors
/// The first error met, after everything else that could be removed has been.
pub(super) fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    if unlink_file(parent, name)? {
        return Ok(());
    }
    let top = match open_directory(parent, name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    let mut moved: u64 = 0;
    loop {
        let mut progress = false;
        let mut failure = None;
        for entry in Dir::read_from(&top)? {
            let entry = entry?;
            if is_dot(entry.file_name()) {
                continue;
            }
            match remove_entry(top.as_fd(), entry.file_name(), entry.file_type(), &mut moved) {
                Ok(()) => progress = true,
                Err(e) => failure = Some(e),
            }
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Directories moved up while the listing ran may have been missed by it.
            Err(Errno::NOTEMPTY | Errno::EXIST) if progress => {}
            Err(e) => return Err(failure.unwrap_or_else(|| e.into())),
        }
    }
}

fn remove_entry(top: BorrowedFd<'_>, name: &CStr, kind: FileType, moved: &mut u64) -> io::Result<()> {
    if kind != FileType::Directory && unlink_file(top, name)? {
        return Ok(());
    }
    // A chain of directories is followed at once: each level moves its last subdirectory up and hands over its new name.
    let mut next = flatten(top, name, moved)?;
    while let Some(name) = next {
        next = flatten(top, &name, moved)?;
    }
    Ok(())
}

/// Removes the directory `name` below `top` after moving its subdirectories to `top`; returns the name one of them has now.
fn flatten(top: BorrowedFd<'_>, name: &CStr, moved: &mut u64) -> io::Result<Option<CString>> {
    if remove_empty(top, name)? {
        return Ok(None);
    }
    let mut last = None;
    loop {
        let dir = open_directory(top, name)?;
        let mut progress = false;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let child = entry.file_name();
            if is_dot(child) {
                continue;
            }
            let is_file = entry.file_type() != FileType::Directory && unlink_file(dir.as_fd(), child)?;
            if !is_file && !remove_empty(dir.as_fd(), child)? {
                last = Some(move_up(dir.as_fd(), child, top, moved)?);
            }
            progress = true;
        }
        match unlinkat(top, name, AtFlags::REMOVEDIR) {
            Ok(()) => return Ok(last),
            Err(Errno::NOTEMPTY | Errno::EXIST) if progress => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Moves the directory `child` of `from` to an unused name in `top`.
fn move_up(from: BorrowedFd<'_>, child: &CStr, top: BorrowedFd<'_>, moved: &mut u64) -> io::Result<CString> {
    loop {
        *moved = moved.wrapping_add(1);
        let name = CString::new(format!(".lamina-{moved}"))?;
        match renameat(from, child, top, &name) {
            Ok(()) => return Ok(name),
            // The guest has used this name: a file, or a directory with something in it.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether `name` was something else than a directory, and is gone.
fn unlink_file(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // Linux says EISDIR, POSIX EPERM.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn remove_empty(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{mkdirat, symlinkat};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn dir_fd(path: &Path) -> OwnedFd {
        std::fs::File::open(path).unwrap().into()
    }

    #[test]
    fn a_very_deep_tree_goes() {
        let root = tempfile::tempdir().unwrap();
        let root_fd = dir_fd(root.path());
        // Deeper than any path may be long, and than a thread's stack or descriptor limit would bear.
        mkdirat(&root_fd, c"t", Mode::RWXU).unwrap();
        let mut at = dir_fd(&root.path().join("t"));
        for _ in 0..5_000 {
            mkdirat(&at, c"deep", Mode::RWXU).unwrap();
            at = open_directory(at.as_fd(), c"deep").unwrap();
        }
        drop(at);
        remove_tree(root_fd.as_fd(), c"t").unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn odd_names_wide_trees_and_links_go_and_what_links_point_to_stays() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("kept"), b"x").unwrap();
        let root_fd = dir_fd(root.path());
        let t = root.path().join("t");
        for a in 0..8 {
            for b in 0..8 {
                let dir = t.join(format!("a{a}")).join(format!("b{b}"));
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join(OsStr::from_bytes(b"\xff\xfe \n*")), b"x").unwrap();
                // The names the removal itself uses.
                std::fs::write(t.join(format!(".lamina-{b}")), b"x").unwrap();
                std::fs::create_dir_all(t.join(format!(".lamina-1{b}/full"))).unwrap();
            }
        }
        symlinkat(outside.path(), dir_fd(&t), c"link").unwrap();
        symlinkat(outside.path(), dir_fd(&t.join("a1/b1")), c"link").unwrap();
        remove_tree(root_fd.as_fd(), c"t").unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn a_file_a_link_and_nothing_are_no_trouble() {
        let root = tempfile::tempdir().unwrap();
        let root_fd = dir_fd(root.path());
        std::fs::write(root.path().join("file"), b"x").unwrap();
        symlinkat("/", &root_fd, c"link").unwrap();
        for name in [c"file", c"link", c"missing"] {
            remove_tree(root_fd.as_fd(), name).unwrap();
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
