//! `fd_readdir`: a directory is read whole when its first entry is asked for, so that what the guest deletes meanwhile moves nothing
//! under its cookies, and held until its last entry has been handed over. A `/tmp` not made yet is listed as what stands in for it: empty.

use super::abi::{self, Errno, Outcome, filetype, rights};
use super::{Preview1Access, parts};
use rustix::fs::{Dir as Entries, FileType};
use rustix::io::Errno as Os;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use wasmtime::Caller;

/// The entries of listings that a guest may hold at once; one listing is allowed whatever its size.
const MAX_LISTED_ENTRIES: usize = 131_072;

/// As many entries are read at once; then others get their turn.
const ENTRIES_AT_ONCE: usize = 2048;

/// The entries of a directory.
#[derive(Debug)]
pub(super) struct Listing(Vec<ListedEntry>);

#[derive(Debug)]
struct ListedEntry {
    name: Box<[u8]>,
    inode: u64,
    filetype: u8,
}

impl Listing {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads `dir`, of at most `room` entries.
    async fn read(dir: Arc<File>, room: usize) -> Outcome<Self> {
        let own = dir.metadata()?.ino();
        let mut listing = Self(Vec::new());
        // What is above a mount is nothing to the guest.
        for name in [&b"."[..], b".."] {
            listing.0.push(ListedEntry { name: name.into(), inode: own, filetype: filetype::DIRECTORY });
        }
        let mut entries = match Entries::read_from(&dir) {
            Ok(entries) => entries,
            Err(Os::NOENT) => return Ok(listing),
            Err(error) => return Err(std::io::Error::from(error).into()),
        };
        while let Some(entry) = entries.read() {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory has been deleted.
                Err(Os::NOENT) => break,
                Err(error) => return Err(std::io::Error::from(error).into()),
            };
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if listing.len() >= room {
                return Err(Errno::NOMEM.into());
            }
            let filetype = filetype_of(entry.file_type());
            listing.0.push(ListedEntry { name: name.into(), inode: entry.ino(), filetype });
            if listing.len().is_multiple_of(ENTRIES_AT_ONCE) {
                tokio::task::yield_now().await;
            }
        }
        Ok(listing)
    }

    /// Writes entries from number `cookie` on into `out`, the last one cut where `out` ends; answers how many bytes, and whether
    /// the last entry has been written whole.
    fn fill(&self, cookie: u64, out: &mut [u8]) -> (usize, bool) {
        let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
        let mut used = 0;
        for (number, entry) in self.0.iter().enumerate().skip(skipped) {
            let next = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
            let name_len = u32::try_from(entry.name.len()).unwrap_or(u32::MAX);
            for part in [&abi::dirent(next, entry.inode, name_len, entry.filetype)[..], &entry.name] {
                let room = out.get_mut(used..).unwrap_or_default();
                let fitting = part.get(..room.len()).unwrap_or(part);
                for (to, from) in room.iter_mut().zip(fitting) {
                    *to = *from;
                }
                used = used.saturating_add(fitting.len());
                if fitting.len() < part.len() {
                    return (used, false);
                }
            }
        }
        (used, true)
    }
}

fn filetype_of(kind: FileType) -> u8 {
    match kind {
        FileType::Directory => filetype::DIRECTORY,
        FileType::RegularFile => filetype::REGULAR_FILE,
        FileType::Symlink => filetype::SYMBOLIC_LINK,
        FileType::BlockDevice => filetype::BLOCK_DEVICE,
        FileType::CharacterDevice => filetype::CHARACTER_DEVICE,
        FileType::Socket => filetype::SOCKET_STREAM,
        _ => filetype::UNKNOWN,
    }
}

pub(super) async fn fd_readdir<T: Preview1Access>(
    caller: &mut Caller<'_, T>,
    fd: u32,
    buffer: u32,
    len: u32,
    cookie: u64,
    out: u32,
) -> Outcome {
    let (memory, guest) = parts(caller)?;
    memory.bytes(buffer, len)?;
    memory.bytes(out, 4)?;
    let dir = guest.table.dir(fd, rights::FD_READDIR)?;
    if cookie == 0 {
        dir.listing = None;
    }
    if dir.listing.is_none() {
        let dir = Arc::clone(&dir.dir.dir);
        let held = guest.table.listed_entries();
        let room = if held == 0 { usize::MAX } else { MAX_LISTED_ENTRIES.saturating_sub(held) };
        let listing = Listing::read(dir, room).await?;
        let (_, guest) = parts(caller)?;
        guest.table.dir(fd, rights::FD_READDIR)?.listing = Some(listing);
    }
    let (mut memory, guest) = parts(caller)?;
    let dir = guest.table.dir(fd, rights::FD_READDIR)?;
    let Some(listing) = &dir.listing else { return Err(Errno::IO.into()) };
    let (used, complete) = listing.fill(cookie, memory.bytes_mut(buffer, len)?);
    let used = u32::try_from(used).unwrap_or(len);
    memory.put_u32(out, used)?;
    // A guest that got less than it had room for knows that this was the end.
    if complete && used < len {
        dir.listing = None;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_cut_where_the_buffer_ends_and_found_again_by_cookie() {
        let entry = |name: &[u8]| ListedEntry { name: name.into(), inode: 7, filetype: filetype::REGULAR_FILE };
        let listing = Listing(vec![entry(b"a"), entry(b"bcd")]);
        let mut out = [0; 64];
        assert_eq!(listing.fill(0, &mut out), (25 + 27, true));
        assert_eq!((out[0], out[8], out[16], out[20], out[24]), (1, 7, 1, filetype::REGULAR_FILE, b'a'));
        for cut in 0..25 + 27 {
            assert_eq!(listing.fill(0, &mut out[..cut]), (cut, false));
        }
        assert_eq!(listing.fill(1, &mut out), (27, true));
        assert_eq!(&out[24..27], b"bcd");
        assert_eq!(listing.fill(2, &mut out), (0, true));
        assert_eq!(listing.fill(u64::MAX, &mut out), (0, true));
    }

    #[tokio::test]
    async fn large_directories_are_read_whole_and_limited() {
        let dir = tempfile::tempdir().unwrap();
        let count = ENTRIES_AT_ONCE * 2;
        for name in 0..count {
            std::fs::write(dir.path().join(name.to_string()), "").unwrap();
        }
        let open = Arc::new(File::open(dir.path()).unwrap());
        let listing = Listing::read(Arc::clone(&open), usize::MAX).await.ok().unwrap();
        assert_eq!(listing.len(), count + 2);
        assert!(Listing::read(open, 100).await.is_err());
    }
}
