//! `wasi:filesystem@0.3`: as for 0.2, changes are ours, what only looks is wasmtime's.
//!
//! Listings differ from wasmtime's: read at once and limited, where wasmtime's keeps a blocking thread of the daemon for as long
//! as the guest cares to leave the listing unread.

use super::ops::{self, Entry, OpenRequest, WriteAt};
use super::tmp::TmpState;
use super::{Fault, FilesystemAccess, FilesystemView, GuestFilesystem, ListingPermit};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;
use wasmtime::component::{
    Access, Accessor, Destination, FutureReader, Linker, Resource, Source, StreamConsumer, StreamProducer,
    StreamReader, StreamResult, VecBuffer,
};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p3::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    HostDescriptorWithStore, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::{FilesystemError, FilesystemResult};

type Fd = Resource<Descriptor>;

/// The most that is taken out of a guest's stream for one write.
const CHUNK_BYTES: usize = 64 * 1024;

/// Links `wasi:filesystem/{types,preopens}@0.3`, and nothing else.
///
/// # Errors
/// The linker already has one of the interfaces and does not allow shadowing.
pub fn add_to_linker<T: FilesystemAccess + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, GuestFilesystem>(linker, T::files)?;
    preopens::add_to_linker::<T, GuestFilesystem>(linker, T::files)
}

impl From<Fault> for ErrorCode {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Os(e) => e.into(),
            Fault::TooManyOpenFiles => ErrorCode::Quota,
            Fault::TooManyListings => ErrorCode::InsufficientMemory,
        }
    }
}

impl From<Fault> for FilesystemError {
    fn from(fault: Fault) -> Self {
        ErrorCode::from(fault).into()
    }
}

fn wasi<U: FilesystemAccess>(data: &mut U) -> WasiFilesystemCtxView<'_> {
    let FilesystemView { table, tmp, .. } = data.files();
    WasiFilesystemCtxView { ctx: tmp.wasi_mut(), table }
}

/// The same store, for wasmtime's own implementation.
fn delegate<U: FilesystemAccess + 'static>(store: &Accessor<U, GuestFilesystem>) -> Accessor<U, WasiFilesystem> {
    store.with_getter::<WasiFilesystem>(wasi::<U>)
}

fn trap(error: wasmtime::component::ResourceTableError) -> FilesystemError {
    FilesystemError::trap(error)
}

fn dir_of(view: &FilesystemView<'_>, fd: &Fd) -> FilesystemResult<Dir> {
    match view.table.get(fd).map_err(trap)? {
        Descriptor::Dir(dir) => Ok(dir.clone()),
        Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
    }
}

fn file_of(view: &FilesystemView<'_>, fd: &Fd) -> FilesystemResult<File> {
    match view.table.get(fd).map_err(trap)? {
        Descriptor::File(file) => Ok(file.clone()),
        Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
    }
}

/// The environment's directory, made now if it was not there.
async fn state<U: FilesystemAccess + 'static>(store: &Accessor<U, GuestFilesystem>) -> FilesystemResult<Arc<TmpState>> {
    let (state, root, quota_bytes) = store.with(|mut store| {
        let tmp = store.get().tmp;
        (tmp.state().cloned(), Arc::clone(tmp.root()), tmp.quota_bytes())
    });
    if let Some(state) = state {
        return Ok(state);
    }
    let made = TmpState::make(root, quota_bytes).await?;
    Ok(store.with(|mut store| store.get().tmp.settle(made)))
}

/// Makes sure that the descriptor is of the real directory.
async fn settle<U: FilesystemAccess + 'static>(store: &Accessor<U, GuestFilesystem>, fd: &Fd) -> FilesystemResult<()> {
    let stands_in = store.with(|mut store| {
        let view = store.get();
        let descriptor = view.table.get(fd).map_err(trap)?;
        FilesystemResult::Ok(matches!(descriptor, Descriptor::Dir(dir) if view.tmp.is_placeholder(dir)))
    })?;
    if stands_in {
        let real = state(store).await?.dir();
        store.with(|mut store| {
            *store.get().table.get_mut(fd).map_err(trap)? = Descriptor::Dir(real);
            FilesystemResult::Ok(())
        })?;
    }
    Ok(())
}

async fn dir<U: FilesystemAccess + 'static>(store: &Accessor<U, GuestFilesystem>, fd: &Fd) -> FilesystemResult<Dir> {
    settle(store, fd).await?;
    store.with(|mut store| dir_of(&store.get(), fd))
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.preopens()
    }
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, error: FilesystemError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }
}

impl types::HostDescriptor for FilesystemView<'_> {
    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.drop_descriptor(fd)
    }
}

impl<U: FilesystemAccess + 'static> HostDescriptorWithStore<U> for GuestFilesystem {
    fn read_via_stream(
        mut store: Access<U, Self>,
        fd: Fd,
        offset: Filesize,
    ) -> wasmtime::Result<(StreamReader<u8>, FutureReader<Result<(), ErrorCode>>)> {
        <WasiFilesystem as HostDescriptorWithStore<U>>::read_via_stream(
            Access::<U, WasiFilesystem>::new(store.as_context_mut(), wasi::<U>),
            fd,
            offset,
        )
    }

    fn write_via_stream(
        store: Access<'_, U, Self>,
        fd: Fd,
        data: StreamReader<u8>,
        offset: Filesize,
    ) -> wasmtime::Result<FutureReader<Result<(), ErrorCode>>> {
        write_stream(store, &fd, data, WriteAt::Offset(offset))
    }

    fn append_via_stream(
        store: Access<'_, U, Self>,
        fd: Fd,
        data: StreamReader<u8>,
    ) -> wasmtime::Result<FutureReader<Result<(), ErrorCode>>> {
        write_stream(store, &fd, data, WriteAt::End)
    }

    async fn advise(
        store: &Accessor<U, Self>,
        fd: Fd,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FilesystemResult<()> {
        WasiFilesystem::advise(&delegate(store), fd, offset, length, advice).await
    }

    async fn sync_data(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<()> {
        store.with(|mut store| store.get().table.get(&fd).map(|_| ()).map_err(trap))
    }

    async fn get_flags(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<DescriptorFlags> {
        WasiFilesystem::get_flags(&delegate(store), fd).await
    }

    async fn get_type(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<DescriptorType> {
        WasiFilesystem::get_type(&delegate(store), fd).await
    }

    async fn set_size(store: &Accessor<U, Self>, fd: Fd, size: Filesize) -> FilesystemResult<()> {
        let file = store.with(|mut store| file_of(&store.get(), &fd))?;
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::set_size(usage, &file, size)).await?)
    }

    async fn set_times(
        store: &Accessor<U, Self>,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        settle(store, &fd).await?;
        WasiFilesystem::set_times(&delegate(store), fd, accessed, modified).await
    }

    fn read_directory(
        mut store: Access<'_, U, Self>,
        fd: Fd,
    ) -> wasmtime::Result<(StreamReader<DirectoryEntry>, FutureReader<Result<(), ErrorCode>>)> {
        let (done, result) = oneshot::channel();
        let view = store.get();
        let stands_in = matches!(view.table.get(&fd)?, Descriptor::Dir(dir) if view.tmp.is_placeholder(dir));
        let listing = match (dir_of(&view, &fd), view.tmp.state()) {
            (Ok(dir), Some(state)) => {
                let dir = if stands_in { state.dir() } else { dir };
                let state = Arc::clone(state);
                ListingState::Reading(wasmtime_wasi::runtime::spawn(async move {
                    let permit = state.begin_listing(&dir).await?;
                    let entries = state.change(move |_| ops::list(&dir)).await?;
                    Ok((entries, Some(permit)))
                }))
            }
            // Not made yet: empty, and no reason to make it.
            (Ok(_), None) if stands_in => ListingState::Done,
            // Of a layer, before anything else was opened: bounded by what a layer may hold.
            (Ok(dir), None) => ListingState::Reading(wasmtime_wasi::runtime::spawn(async move {
                Ok((super::blocking(move || ops::list(&dir)).await?, None))
            })),
            (Err(error), _) => {
                let _ = done.send(Err(error.downcast()?));
                let stream = StreamReader::new(&mut store, std::iter::empty())?;
                return Ok((stream, FutureReader::new(&mut store, result)?));
            }
        };
        let stream = StreamReader::new(&mut store, Listing { state: listing, done: Some(done) })?;
        Ok((stream, FutureReader::new(&mut store, result)?))
    }

    async fn sync(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<()> {
        Self::sync_data(store, fd).await
    }

    async fn create_directory_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> FilesystemResult<()> {
        let dir = dir(store, &fd).await?;
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::create_directory(usage, &dir, &path)).await?)
    }

    async fn stat(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<DescriptorStat> {
        settle(store, &fd).await?;
        WasiFilesystem::stat(&delegate(store), fd).await
    }

    async fn stat_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<DescriptorStat> {
        settle(store, &fd).await?;
        WasiFilesystem::stat_at(&delegate(store), fd, flags, path).await
    }

    async fn set_times_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FilesystemResult<()> {
        settle(store, &fd).await?;
        WasiFilesystem::set_times_at(&delegate(store), fd, flags, path, accessed, modified).await
    }

    async fn link_at(
        store: &Accessor<U, Self>,
        old: Fd,
        flags: PathFlags,
        old_path: String,
        new: Fd,
        new_path: String,
    ) -> FilesystemResult<()> {
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        let (old, new) = (dir(store, &old).await?, dir(store, &new).await?);
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::link(usage, (&old, &old_path), follow, (&new, &new_path))).await?)
    }

    async fn open_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FilesystemResult<Fd> {
        let dir = dir(store, &fd).await?;
        let request = OpenRequest {
            create: open_flags.contains(OpenFlags::CREATE),
            exclusive: open_flags.contains(OpenFlags::EXCLUSIVE),
            truncate: open_flags.contains(OpenFlags::TRUNCATE),
            directory: open_flags.contains(OpenFlags::DIRECTORY),
            read: flags.contains(DescriptorFlags::READ),
            write: flags.contains(DescriptorFlags::WRITE),
            sync: flags.intersects(
                DescriptorFlags::FILE_INTEGRITY_SYNC
                    | DescriptorFlags::DATA_INTEGRITY_SYNC
                    | DescriptorFlags::REQUESTED_WRITE_SYNC,
            ),
            follow: path_flags.contains(PathFlags::SYMLINK_FOLLOW),
        };
        let state = state(store).await?;
        let opened = state.change(move |usage| ops::open(usage, &dir, &path, request)).await?;
        store.with(|mut store| store.get().table.push(opened).map_err(trap))
    }

    async fn readlink_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> FilesystemResult<String> {
        settle(store, &fd).await?;
        WasiFilesystem::readlink_at(&delegate(store), fd, path).await
    }

    async fn remove_directory_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> FilesystemResult<()> {
        let dir = dir(store, &fd).await?;
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::remove_directory(usage, &dir, &path)).await?)
    }

    async fn rename_at(
        store: &Accessor<U, Self>,
        old: Fd,
        old_path: String,
        new: Fd,
        new_path: String,
    ) -> FilesystemResult<()> {
        let (old, new) = (dir(store, &old).await?, dir(store, &new).await?);
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::rename(usage, (&old, &old_path), (&new, &new_path))).await?)
    }

    async fn symlink_at(store: &Accessor<U, Self>, fd: Fd, target: String, path: String) -> FilesystemResult<()> {
        let dir = dir(store, &fd).await?;
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::symlink(usage, &dir, &target, &path)).await?)
    }

    async fn unlink_file_at(store: &Accessor<U, Self>, fd: Fd, path: String) -> FilesystemResult<()> {
        let dir = dir(store, &fd).await?;
        let state = state(store).await?;
        Ok(state.change(move |usage| ops::unlink(usage, &dir, &path)).await?)
    }

    async fn is_same_object(store: &Accessor<U, Self>, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        for fd in [&a, &b] {
            if let Err(error) = settle(store, fd).await {
                // Only a trap is the guest's fault; without a directory the two cannot be compared.
                return error.downcast().map(|_| false);
            }
        }
        WasiFilesystem::is_same_object(&delegate(store), a, b).await
    }

    async fn metadata_hash(store: &Accessor<U, Self>, fd: Fd) -> FilesystemResult<MetadataHashValue> {
        settle(store, &fd).await?;
        WasiFilesystem::metadata_hash(&delegate(store), fd).await
    }

    async fn metadata_hash_at(
        store: &Accessor<U, Self>,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FilesystemResult<MetadataHashValue> {
        settle(store, &fd).await?;
        WasiFilesystem::metadata_hash_at(&delegate(store), fd, flags, path).await
    }
}

fn write_stream<U: FilesystemAccess + 'static>(
    mut store: Access<'_, U, GuestFilesystem>,
    fd: &Fd,
    mut data: StreamReader<u8>,
    at: WriteAt,
) -> wasmtime::Result<FutureReader<Result<(), ErrorCode>>> {
    let (done, result) = oneshot::channel();
    let view = store.get();
    let file = file_of(&view, fd).and_then(|file| {
        // A file was opened through the directory, so there is one.
        let tmp = view.tmp.state().cloned().ok_or(ErrorCode::BadDescriptor)?;
        if file.perms.write_not_permitted() { Err(ErrorCode::NotPermitted.into()) } else { Ok((file, tmp)) }
    });
    match file {
        Ok((file, tmp)) => data.pipe(&mut store, FileWriter { tmp, file, at, task: None, done: Some(done) })?,
        Err(error) => {
            let code = error.downcast()?;
            data.close(&mut store)?;
            let _ = done.send(Err(code));
        }
    }
    FutureReader::new(&mut store, result)
}

/// Writes what a guest puts in a stream to a file.
struct FileWriter {
    tmp: Arc<TmpState>,
    file: File,
    at: WriteAt,
    task: Option<wasmtime_wasi::runtime::AbortOnDropJoinHandle<Result<usize, Fault>>>,
    done: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

impl FileWriter {
    fn end(&mut self, result: Result<(), ErrorCode>) {
        if let Some(done) = self.done.take() {
            let _ = done.send(result);
        }
    }
}

impl<D> StreamConsumer<D> for FileWriter {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        // A write that has begun is waited for: it is short, and half of it must not be reported as none.
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let me = &mut *self;
        if me.task.is_none() && source.remaining().is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let task = me.task.get_or_insert_with(|| {
            let remaining = source.remaining();
            let bytes = remaining.get(..CHUNK_BYTES).unwrap_or(remaining).to_vec();
            let (tmp, file, at) = (Arc::clone(&me.tmp), Arc::clone(&me.file.file), me.at);
            wasmtime_wasi::runtime::spawn(
                async move { tmp.change(move |usage| ops::write(usage, &file, at, &bytes)).await },
            )
        });
        let result = ready!(Pin::new(task).poll(cx));
        me.task = None;
        match result {
            Ok(written) => {
                source.mark_read(written);
                if let WriteAt::Offset(offset) = &mut me.at {
                    *offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                }
                Poll::Ready(Ok(StreamResult::Completed))
            }
            Err(fault) => {
                me.end(Err(fault.into()));
                Poll::Ready(Ok(StreamResult::Dropped))
            }
        }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.end(Ok(()));
    }
}

/// Hands a directory's entries to the guest.
struct Listing {
    state: ListingState,
    done: Option<oneshot::Sender<Result<(), ErrorCode>>>,
}

/// What is listed, and the permit to hold it where it is of `/tmp`.
type Listed = (Vec<Entry>, Option<ListingPermit>);

enum ListingState {
    Reading(wasmtime_wasi::runtime::AbortOnDropJoinHandle<Result<Listed, Fault>>),
    Read { entries: std::vec::IntoIter<Entry>, _permit: Option<ListingPermit> },
    Done,
}

/// The entries handed over at once when the guest does not say how many it wants.
const ENTRIES_AT_ONCE: usize = 64;

impl Listing {
    fn end(&mut self, result: Result<(), ErrorCode>) -> Poll<wasmtime::Result<StreamResult>> {
        self.state = ListingState::Done;
        if let Some(done) = self.done.take() {
            let _ = done.send(result);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<D> StreamProducer<D> for Listing {
    type Item = DirectoryEntry;
    type Buffer = VecBuffer<DirectoryEntry>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, DirectoryEntry, VecBuffer<DirectoryEntry>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let wanted = destination.remaining(store.as_context_mut()).unwrap_or(ENTRIES_AT_ONCE);
        if let ListingState::Reading(task) = &mut self.state {
            match Pin::new(task).poll(cx) {
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((entries, permit))) => {
                    self.state = ListingState::Read { entries: entries.into_iter(), _permit: permit };
                }
                Poll::Ready(Err(fault)) => return self.end(Err(fault.into())),
            }
        }
        match &mut self.state {
            ListingState::Read { entries, .. } if entries.len() > 0 => {
                // A read of nothing asks whether there is something.
                if wanted > 0 {
                    let some: Vec<_> = entries.by_ref().take(wanted).map(DirectoryEntry::from).collect();
                    destination.set_buffer(some.into());
                }
                Poll::Ready(Ok(StreamResult::Completed))
            }
            _ => self.end(Ok(())),
        }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let _ = self.end(Ok(()));
    }
}

impl From<Entry> for DirectoryEntry {
    fn from(entry: Entry) -> Self {
        let kind = entry.kind;
        let type_ = if kind.is_dir() {
            DescriptorType::Directory
        } else if kind.is_symlink() {
            DescriptorType::SymbolicLink
        } else if kind.is_file() {
            DescriptorType::RegularFile
        } else {
            DescriptorType::Other(None)
        };
        Self { type_, name: entry.name }
    }
}
