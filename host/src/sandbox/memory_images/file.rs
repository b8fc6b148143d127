//! Files of memory images: what a memory holds beyond another, in parts that are mapped and in patches.
//!
//! A header of whole pages, then the bytes of parts and patches in the order in which the header lists them, all little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `LAMINAMI` |
//! | 4 | the format, 3 |
//! | 4 | bytes of a page |
//! | 32 | what the memory is compared with; zeros where that is an empty one |
//! | 8, 8 | bytes of the memory: as its module has it, and in all |
//! | 8 | nanoseconds of the monotonic clock that it saw last |
//! | 4, 4 | number of parts that are mapped, and of patches |
//! | 4 | CRC-32 of the file with zeros in this place |
//! | 16 each | a part or a patch: its first byte in memory, its length |
//!
//! The pages that differ lie scattered. A part that is mapped is a mapping of every instance, of which a process has not many; a page that
//! is patched is memory that each instance has to itself. So large runs of pages are mapped and small ones are patched, of each no more
//! than [`Limit`] says; where there are more, what lies between two of them that are near is mapped with them. Most pages of small runs
//! differ in a few bytes, and patches are no more than those.

use super::content::{Content, ContentError, Patches, Piece, joined, unit_bytes};
use super::working_set::WorkingSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"LAMINAMI";
/// The format of what [`write`] makes.
pub const FORMAT: u32 = 3;
const CRC_OFFSET: usize = 80;
const PARTS_OFFSET: usize = 84;
const PART_ENTRY_BYTES: usize = 16;

/// The most parts that a header is read of.
const PARTS_LIMIT: u32 = 1 << 16;

/// How much of a file is read at once to be checked.
const CHUNK_BYTES: usize = 256 * 1024;

/// Pages of a run that is worth a mapping.
const MAPPED_PAGES: usize = 16;

/// Equal bytes between two patches that are cheaper to store than the second one's place.
const PATCH_GAP_BYTES: usize = PART_ENTRY_BYTES;

/// What a file has, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Parts that are mapped.
    pub mapped: usize,
    /// Pages that are patched, all together.
    pub patched_pages: usize,
}

impl Limit {
    /// Of a runtime's own memory: one mapping, and one more for a heap far from the rest.
    pub const BASE: Self = Self { mapped: 2, patched_pages: 0 };
    /// Of what a function's memory holds beyond it. About as many pages as a small function writes anyway.
    pub const DIFFERENCE: Self = Self { mapped: 12, patched_pages: 256 };
}

/// A memory as it was kept.
#[derive(Debug, Clone)]
pub struct Image {
    /// What it holds.
    pub content: Arc<Content>,
    /// Nanoseconds of the monotonic clock when it was kept. Whoever goes on from it must not see less.
    pub monotonic_ns: u64,
}

/// A memory that others are compared with.
#[derive(Debug, Clone)]
pub struct Base {
    /// Names it: whatever else has this name is equal.
    pub id: [u8; 32],
    /// The memory.
    pub image: Image,
    /// What instances of images write that are compared with it.
    images: Arc<WorkingSet>,
}

impl Base {
    /// A memory by its name.
    pub fn new(id: [u8; 32], image: Image) -> Self {
        Self { id, image, images: Arc::default() }
    }
}

/// Why a file gives no memory. The files are damaged, or of another version of Lamina.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another format, another machine's pages, another base.
    #[error("the image is {0}")]
    Foreign(&'static str),
    /// Not what was written.
    #[error("the image is damaged: {0}")]
    Damaged(String),
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ContentError> for FileError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Io(error) => Self::Io(error),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes of pages that differ.
    pub different_bytes: usize,
    /// Bytes of all parts and patches.
    pub stored_bytes: usize,
    /// The number of parts that are mapped.
    pub mapped: usize,
    /// The number of patches.
    pub patches: usize,
}

/// Writes what `memory` holds beyond `base`, or beyond an empty memory whose module asks for all of it, to a new file at `path`:
/// complete and on the disk, readable and not writable, before this returns.
pub fn write(path: &Path, memory: &[u8], monotonic_ns: u64, base: Option<&Base>, limit: Limit) -> io::Result<Written> {
    let initial_bytes = base.map_or(memory.len(), |base| base.image.content.initial_bytes());
    write_grown(path, memory, initial_bytes, monotonic_ns, base, limit)
}

/// As [`write`], of a memory whose module asks for `initial_bytes` of it; the rest is what it grew by.
pub fn write_grown(
    path: &Path,
    memory: &[u8],
    initial_bytes: usize,
    monotonic_ns: u64,
    base: Option<&Base>,
    limit: Limit,
) -> io::Result<Written> {
    let unit = unit_bytes();
    if !memory.len().is_multiple_of(unit) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a memory ends within a page"));
    }
    let before = base.map(|base| &*base.image.content);
    let runs = different_runs(memory, before)?;
    let different_bytes: usize = runs.iter().map(|run| run.len() * unit).sum();
    let (mapped, patched) = divided(runs, limit);
    let mapped: Vec<_> = mapped.into_iter().map(|run| run.start * unit..run.end * unit).collect();
    let patches = patches(memory, before, &patched)?;
    let sizes = (initial_bytes, memory.len());
    let mut header = header(base.map_or([0; 32], |base| base.id), sizes, monotonic_ns, &mapped, &patches);
    header.resize(header.len().next_multiple_of(unit), 0);
    let part = |place: &Range<usize>| memory.get(place.clone()).unwrap_or_default();
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header);
    mapped.iter().chain(&patches).for_each(|place| crc.update(part(place)));
    if let Some(place) = header.get_mut(CRC_OFFSET..CRC_OFFSET + 4) {
        place.copy_from_slice(&crc.finalize().to_le_bytes());
    }
    let mut file = File::options().write(true).create_new(true).open(path)?;
    file.write_all(&header)?;
    for place in &mapped {
        write_sparsely(&mut file, part(place), unit)?;
    }
    let patched: Vec<u8> = patches.iter().flat_map(part).copied().collect();
    file.write_all(&patched)?;
    let stored_bytes = mapped.iter().map(Range::len).sum::<usize>().saturating_add(patched.len());
    file.set_len((header.len() + stored_bytes) as u64)?;
    file.set_permissions(Permissions::from_mode(0o400))?;
    file.sync_all()?;
    Ok(Written { different_bytes, stored_bytes, mapped: mapped.len(), patches: patches.len() })
}

/// Opens a file that [`write`] made with the same base, and checks all of it.
pub fn open(path: &Path, base: Option<&Base>) -> Result<Image, FileError> {
    let mut file = File::open(path)?;
    let unit = unit_bytes();
    let header = Header::read(&mut file)?;
    let base_id = base.map_or([0; 32], |base| base.id);
    if header.base != base_id {
        return Err(FileError::Foreign("of another runtime's memory"));
    }
    let parts = || header.mapped.iter().chain(&header.patches);
    let stored = parts().fold(header.bytes, |sum, (_, bytes)| sum.saturating_add(*bytes));
    if file.metadata()?.len() != stored {
        return Err(FileError::Damaged("it is not as long as it says".into()));
    }
    if header.crc != checksum(&mut file, stored, unit)? {
        return Err(FileError::Damaged("its checksum is another".into()));
    }
    let file = Arc::new(file);
    let size = |bytes: u64| usize::try_from(bytes).map_err(|_| FileError::Damaged("it is larger than memory".into()));
    let mut offset = header.bytes;
    let mut piece = |(start, bytes): &(u64, u64)| {
        let piece = Piece { start: size(*start)?, bytes: size(*bytes)?, file: Arc::clone(&file), offset };
        offset = offset.saturating_add(*bytes);
        Ok::<_, FileError>(piece)
    };
    let own = header.mapped.iter().map(&mut piece).collect::<Result<Vec<_>, _>>()?;
    let memory_bytes = size(header.memory_bytes)?;
    let of_base = base.into_iter().flat_map(|base| base.image.content.mapped());
    // The base may have grown further.
    let of_base = of_base.filter_map(|piece| piece.clone().cut_to(memory_bytes));
    let mapped = of_base.chain(own).collect();
    let place = |(start, bytes): &(u64, u64)| Ok::<_, FileError>((size(*start)?, size(*bytes)?));
    let places = header.patches.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let mut bytes = vec![0; size(stored.saturating_sub(offset))?];
    file.read_exact_at(&mut bytes, offset)?;
    let patches = Patches { places, bytes };
    let initial_bytes = size(header.initial_bytes)?;
    if base.is_some_and(|base| base.image.content.initial_bytes() != initial_bytes) {
        return Err(FileError::Foreign("of a memory of another size"));
    }
    let siblings = base.map(|base| Arc::clone(&base.images));
    let content = Content::new(initial_bytes, memory_bytes, mapped, patches, siblings)?;
    Ok(Image { content, monotonic_ns: header.monotonic_ns })
}

/// Of the whole file, whose length is `bytes`, the checksum's own bytes as zeros.
fn checksum(file: &mut File, bytes: u64, unit: usize) -> io::Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(CHUNK_BYTES).clamp(unit, CHUNK_BYTES.max(unit))];
    file.seek(SeekFrom::Start(0))?;
    let mut first = true;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get_mut(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(crc.finalize()) };
        if first {
            bytes.iter_mut().skip(CRC_OFFSET).take(4).for_each(|byte| *byte = 0);
            first = false;
        }
        crc.update(bytes);
    }
}

struct Header {
    /// Its own length.
    bytes: u64,
    base: [u8; 32],
    initial_bytes: u64,
    memory_bytes: u64,
    monotonic_ns: u64,
    crc: u32,
    mapped: Vec<(u64, u64)>,
    patches: Vec<(u64, u64)>,
}

impl Header {
    fn read(file: &mut File) -> Result<Self, FileError> {
        let mut start = [0; PARTS_OFFSET];
        file.read_exact(&mut start)?;
        let mut rest = Reader(&start);
        if rest.take::<8>()? != *MAGIC {
            return Err(FileError::Damaged("it has another beginning".into()));
        }
        if rest.u32()? != FORMAT {
            return Err(FileError::Foreign("of another format"));
        }
        if usize::try_from(rest.u32()?) != Ok(unit_bytes()) {
            return Err(FileError::Foreign("of a machine with other pages"));
        }
        let (base, initial_bytes, memory_bytes, monotonic_ns) = (rest.take()?, rest.u64()?, rest.u64()?, rest.u64()?);
        let (mapped, patches, crc) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let count = mapped.saturating_add(patches);
        if count > PARTS_LIMIT {
            return Err(FileError::Damaged("it has too many parts".into()));
        }
        let mut entries = vec![0; count as usize * PART_ENTRY_BYTES];
        file.read_exact(&mut entries).map_err(|_| FileError::Damaged("it ends too early".into()))?;
        let mut rest = Reader(&entries);
        let mut parts = |count| (0..count).map(|_| Ok((rest.u64()?, rest.u64()?))).collect::<Result<_, FileError>>();
        let (mapped, patches) = (parts(mapped)?, parts(patches)?);
        let bytes = (PARTS_OFFSET + entries.len()).next_multiple_of(unit_bytes()) as u64;
        Ok(Self { bytes, base, initial_bytes, memory_bytes, monotonic_ns, crc, mapped, patches })
    }
}

fn header(
    base: [u8; 32],
    (initial_bytes, memory_bytes): (usize, usize),
    monotonic_ns: u64,
    mapped: &[Range<usize>],
    patches: &[Range<usize>],
) -> Vec<u8> {
    let unit = unit_bytes();
    let count = |places: &[Range<usize>]| u32::try_from(places.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut header = Vec::with_capacity(unit);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&FORMAT.to_le_bytes());
    header.extend_from_slice(&u32::try_from(unit).unwrap_or(u32::MAX).to_le_bytes());
    header.extend_from_slice(&base);
    header.extend_from_slice(&(initial_bytes as u64).to_le_bytes());
    header.extend_from_slice(&(memory_bytes as u64).to_le_bytes());
    header.extend_from_slice(&monotonic_ns.to_le_bytes());
    header.extend_from_slice(&count(mapped));
    header.extend_from_slice(&count(patches));
    header.extend_from_slice(&[0; 4]);
    for place in mapped.iter().chain(patches) {
        header.extend_from_slice(&(place.start as u64).to_le_bytes());
        header.extend_from_slice(&(place.len() as u64).to_le_bytes());
    }
    header
}

/// Takes numbers from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let short = || FileError::Damaged("it ends too early".into());
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or_else(short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, FileError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FileError> {
        self.take().map(u64::from_le_bytes)
    }
}

/// The runs of pages in which `memory` differs from `base`, or from zeros.
fn different_runs(memory: &[u8], base: Option<&Content>) -> io::Result<Vec<Range<usize>>> {
    let unit = unit_bytes();
    let chunk_bytes = unit * 64;
    let mut before = vec![0; chunk_bytes];
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (chunk_index, chunk) in memory.chunks(chunk_bytes).enumerate() {
        if let Some(base) = base {
            base.read_at(chunk_index * chunk_bytes, &mut before)?;
        }
        for (index, (now, then)) in chunk.chunks(unit).zip(before.chunks(unit)).enumerate() {
            if now == then {
                continue;
            }
            let at = chunk_index * 64 + index;
            runs.push(at..at + 1);
        }
    }
    Ok(joined(runs, 0))
}

/// The bytes within runs of pages in which `memory` differs from `base`, or from zeros.
fn patches(memory: &[u8], base: Option<&Content>, runs: &[Range<usize>]) -> io::Result<Vec<Range<usize>>> {
    let unit = unit_bytes();
    let mut before = vec![0; unit];
    let mut different = Vec::new();
    for start in runs.iter().cloned().flatten().map(|page| page * unit) {
        if let Some(base) = base {
            base.read_at(start, &mut before)?;
        }
        let now = memory.get(start..start + unit).unwrap_or_default();
        let differs = now.iter().zip(&before).enumerate().filter(|(_, (now, then))| now != then);
        let bytes = differs.map(|(at, _)| start + at..start + at + 1);
        // Page by page, so that none reaches beyond those that are patched.
        different.extend(joined(bytes, PATCH_GAP_BYTES));
    }
    Ok(different)
}

/// Which runs are mapped, and which are patched.
fn divided(runs: Vec<Range<usize>>, limit: Limit) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    if limit.patched_pages == 0 {
        return (bridged(runs, limit.mapped.max(1)), Vec::new());
    }
    let mut gap = 0;
    loop {
        let (large, small): (Vec<_>, Vec<_>) =
            joined(runs.iter().cloned(), gap).into_iter().partition(|run| run.len() >= MAPPED_PAGES);
        let mapped = bridged(large, limit.mapped.max(1));
        let apart = |run: &Range<usize>| !mapped.iter().any(|piece| piece.start <= run.start && run.end <= piece.end);
        let patched: Vec<_> = small.into_iter().filter(apart).collect();
        let patched_pages: usize = patched.iter().map(Range::len).sum();
        if patched_pages <= limit.patched_pages {
            return (mapped, patched);
        }
        gap = (gap * 2).max(1);
    }
}

/// Joins runs over the narrowest gaps, until there are no more than `most`.
fn bridged(runs: Vec<Range<usize>>, most: usize) -> Vec<Range<usize>> {
    let mut gaps: Vec<(usize, usize)> =
        runs.iter().zip(runs.iter().skip(1)).enumerate().map(|(index, (a, b))| (b.start - a.end, index)).collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let mut kept: Vec<usize> = gaps.into_iter().take(most.saturating_sub(1)).map(|(_, index)| index).collect();
    kept.sort_unstable();
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(most);
    for (index, run) in runs.into_iter().enumerate() {
        let apart = index == 0 || kept.binary_search(&(index - 1)).is_ok();
        match joined.last_mut() {
            Some(last) if !apart => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

/// Writes `bytes` at the file's position and leaves holes for pages of zeros. What lies between two holes is written at once: the page cache
/// keeps it in large folios then, where the filesystem can, of which page faults map more with less.
fn write_sparsely(file: &mut File, bytes: &[u8], unit: usize) -> io::Result<()> {
    let start = file.stream_position()?;
    let is_zero = |page: &[u8]| page.iter().all(|byte| *byte == 0);
    let pages: Vec<&[u8]> = bytes.chunks(unit).collect();
    let mut at = 0usize;
    for run in pages.chunk_by(|one, other| is_zero(one) == is_zero(other)) {
        let end = run.iter().fold(at, |end, page| end.saturating_add(page.len()));
        if !run.first().is_some_and(|page| is_zero(page)) {
            file.write_all_at(bytes.get(at..end).unwrap_or_default(), start.saturating_add(at as u64))?;
        }
        at = end;
    }
    file.seek(SeekFrom::Start(start.saturating_add(at as u64))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(pages: usize) -> Vec<u8> {
        vec![0; pages * unit_bytes()]
    }

    fn read(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0xff; content.memory_bytes()];
        content.read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_difference_laid_over_its_base_is_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let unit = unit_bytes();
        let mut first = memory(64);
        first[3 * unit + 5] = 1;
        first[40 * unit] = 2;
        let path = dir.path().join("base");
        let written = write(&path, &first, 5, None, Limit::BASE).unwrap();
        assert_eq!((written.mapped, written.patches, written.different_bytes), (2, 0, 2 * unit));
        let base = Base::new([7; 32], open(&path, None).unwrap());
        assert_eq!(read(&base.image.content), first);

        let mut later = memory(80);
        later[..first.len()].copy_from_slice(&first);
        later[3 * unit + 5] = 0;
        for page in [10, 12, 30, 50, 70, 79] {
            later[page * unit + 9] = page as u8;
        }
        let path = dir.path().join("image");
        let limit = Limit { mapped: 4, patched_pages: 0 };
        let written = write(&path, &later, 6, Some(&base), limit).unwrap();
        assert_eq!((written.mapped, written.patches, written.different_bytes), (4, 0, 7 * unit));
        assert_eq!(written.stored_bytes, (10 + 1 + 1 + 10) * unit);
        let Image { content, monotonic_ns } = open(&path, Some(&base)).unwrap();
        assert_eq!(monotonic_ns, 6);
        assert_eq!((content.initial_bytes(), content.memory_bytes()), (64 * unit, 80 * unit));
        assert_eq!(read(&content), later);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(std::fs::read(&path).unwrap().len(), unit + written.stored_bytes);

        later[41 * unit..60 * unit].fill(3);
        later[70 * unit + 20..70 * unit + 40].fill(4);
        let path = dir.path().join("patched");
        let written = write(&path, &later, 6, Some(&base), Limit::DIFFERENCE).unwrap();
        assert_eq!((written.mapped, written.patches, written.stored_bytes), (1, 6, 19 * unit + 5 + 31));
        assert_eq!(read(&open(&path, Some(&base)).unwrap().content), later);
    }

    #[test]
    fn a_base_may_have_grown_and_its_differences_less() {
        let dir = tempfile::tempdir().unwrap();
        let unit = unit_bytes();
        let mut grown = memory(40);
        grown[5 * unit] = 1;
        grown[20 * unit..40 * unit].fill(2);
        let path = dir.path().join("base");
        write_grown(&path, &grown, 16 * unit, 5, None, Limit::BASE).unwrap();
        let base = Base::new([7; 32], open(&path, None).unwrap());
        assert_eq!((base.image.content.initial_bytes(), read(&base.image.content)), (16 * unit, grown.clone()));
        for pages in [16, 24, 48] {
            let mut other = grown.clone();
            other.resize(pages * unit, 0);
            other[7] = 9;
            let path = dir.path().join(pages.to_string());
            write(&path, &other, 6, Some(&base), Limit::DIFFERENCE).unwrap();
            let Image { content, .. } = open(&path, Some(&base)).unwrap();
            assert_eq!((content.initial_bytes(), read(&content)), (16 * unit, other));
        }
    }

    #[test]
    fn small_runs_are_patched_as_far_as_they_may() {
        let scattered: Vec<_> = (0..100).map(|index| index * 4..index * 4 + 1).collect();
        let limit = |mapped, patched_pages| Limit { mapped, patched_pages };
        assert_eq!(divided(scattered.clone(), limit(12, 100)), (vec![], scattered.clone()));
        let (mapped, patched) = divided(scattered.clone(), limit(12, 99));
        assert_eq!((mapped.len(), mapped[0].clone(), patched), (1, 0..397, vec![]));
        let mut mixed = scattered.clone();
        mixed.push(1_000..1_016);
        mixed.push(1_020..1_021);
        mixed.push(1_030..1_060);
        let (mapped, patched) = divided(mixed.clone(), limit(2, 200));
        assert_eq!((mapped, patched.len()), (vec![1_000..1_016, 1_030..1_060], 101));
        let (mapped, patched) = divided(mixed, limit(1, 200));
        assert_eq!((mapped.len(), mapped[0].clone()), (1, 1_000..1_060));
        assert_eq!(patched, scattered, "what lies in a mapping is not patched too");
    }

    #[test]
    fn runs_are_joined_where_little_lies_between() {
        assert_eq!(bridged(vec![0..1, 2..3, 10..11, 12..14], 2), [0..3, 10..14]);
        let one = bridged(vec![0..1, 2..3, 10..11], 1);
        assert_eq!((one.len(), one[0].clone()), (1, 0..11));
        assert_eq!(bridged(vec![0..1, 5..6], 9), [0..1, 5..6]);
        assert_eq!(bridged(Vec::new(), 3), Vec::<Range<usize>>::new());
    }

    #[test]
    fn a_memory_equal_to_its_base_is_a_header() {
        let dir = tempfile::tempdir().unwrap();
        let (base_path, path) = (dir.path().join("base"), dir.path().join("image"));
        write(&base_path, &memory(4), 0, None, Limit::BASE).unwrap();
        let base = Base::new([1; 32], open(&base_path, None).unwrap());
        assert_eq!(write(&path, &memory(4), 0, Some(&base), Limit::DIFFERENCE).unwrap().stored_bytes, 0);
        assert_eq!(read(&open(&path, Some(&base)).unwrap().content), memory(4));
    }

    #[test]
    fn what_was_not_written_like_this_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = memory(4);
        bytes[9] = 1;
        let path = dir.path().join("a");
        write(&path, &bytes, 0, None, Limit::BASE).unwrap();
        let base = Base::new([1; 32], open(&path, None).unwrap());
        assert!(matches!(open(&path, Some(&base)), Err(FileError::Foreign(_))));
        assert!(write(&path, &bytes, 0, None, Limit::BASE).is_err(), "files are never overwritten");
        let good = std::fs::read(&path).unwrap();
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            let path = dir.path().join("b");
            std::fs::write(&path, bytes).unwrap();
            open(&path, None).unwrap_err().to_string()
        };
        assert!(refused(&|bytes| bytes[0] = 0).contains("beginning"));
        assert!(refused(&|bytes| bytes[8] = 9).contains("another format"));
        assert!(refused(&|bytes| bytes[13] = 1).contains("other pages"));
        assert!(refused(&|bytes| bytes.truncate(bytes.len() - 1)).contains("as long as"));
        assert!(refused(&|bytes| *bytes.last_mut().unwrap() ^= 1).contains("checksum"));
        assert!(refused(&|bytes| bytes[64] = 9).contains("checksum"));
        assert!(refused(&|bytes| bytes[73] = 255).contains("too early"));
        assert!(refused(&|bytes| bytes[75] = 255).contains("too many"));
        assert!(refused(&|bytes| bytes[80] ^= 1).contains("checksum"));
        assert!(refused(&|bytes| bytes.truncate(40)).contains("fill"));
        assert!(open(&dir.path().join("none"), None).is_err());
    }
}
