//! `wasi:filesystem@0.2`: changes are ours, what only looks is wasmtime's, after the directory is there.

use super::ops::{self, OpenRequest, WriteAt};
use super::p2_stream::FileOutputStream;
use super::tmp::TmpState;
use super::{Fault, FilesystemAccess, FilesystemView, GuestFilesystem};
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize, HostDescriptor,
    HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator};

type Fd = Resource<Descriptor>;

/// Links `wasi:filesystem/{types,preopens}@0.2`, and nothing else.
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

impl From<Fault> for FsError {
    fn from(fault: Fault) -> Self {
        ErrorCode::from(fault).into()
    }
}

impl FilesystemView<'_> {
    /// The environment's directory, made now if it was not there.
    async fn state(&mut self) -> Result<Arc<TmpState>, Fault> {
        if let Some(state) = self.tmp.state() {
            return Ok(Arc::clone(state));
        }
        let made = TmpState::make(Arc::clone(self.tmp.root()), self.tmp.quota_bytes()).await?;
        Ok(self.tmp.settle(made))
    }

    /// Makes sure that the descriptor is of the real directory.
    async fn settle(&mut self, fd: &Fd) -> FsResult<()> {
        let stands_in = matches!(self.table.get(fd)?, Descriptor::Dir(dir) if self.tmp.is_placeholder(dir));
        if stands_in {
            let real = self.state().await?.dir();
            *self.table.get_mut(fd)? = Descriptor::Dir(real);
        }
        Ok(())
    }

    async fn dir(&mut self, fd: &Fd) -> FsResult<Dir> {
        self.settle(fd).await?;
        match self.table.get(fd)? {
            Descriptor::Dir(dir) => Ok(dir.clone()),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn file(&mut self, fd: &Fd) -> FsResult<File> {
        match self.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn output_stream(&mut self, fd: &Fd, at: WriteAt) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        // A file was opened through the directory, so there is one.
        let tmp = Arc::clone(self.tmp.state().ok_or(ErrorCode::BadDescriptor)?);
        let stream: DynOutputStream = Box::new(FileOutputStream::new(tmp, file.file, at));
        Ok(self.table.push(stream)?)
    }
}

impl preopens::Host for FilesystemView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.preopens()
    }
}

impl types::Host for FilesystemView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.wasi(), error)
    }
}

impl HostDescriptor for FilesystemView<'_> {
    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.wasi().read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.output_stream(&fd, WriteAt::Offset(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.output_stream(&fd, WriteAt::End)
    }

    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.wasi().advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.table.get(&fd)?;
        Ok(())
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.wasi().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.wasi().get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let file = self.file(&fd)?;
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::set_size(usage, &file, size)).await?)
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        self.settle(&fd).await?;
        self.wasi().set_times(fd, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.wasi().read(fd, length, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.file(&fd)?;
        if file.perms.write_not_permitted() {
            return Err(ErrorCode::NotPermitted.into());
        }
        let state = self.state().await?;
        let written = state.change(move |usage| ops::write(usage, &file.file, WriteAt::Offset(offset), &bytes)).await?;
        Ok(Filesize::try_from(written).unwrap_or(Filesize::MAX))
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<ReaddirIterator>> {
        let dir = self.dir(&fd).await?;
        let permit = self.state().await?.begin_listing(&dir).await?;
        let stream = self.wasi().read_directory(fd).await?;
        self.tmp.hold_listing(stream.rep(), permit);
        Ok(stream)
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.sync_data(fd).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let dir = self.dir(&fd).await?;
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::create_directory(usage, &dir, &path)).await?)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.settle(&fd).await?;
        self.wasi().stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.settle(&fd).await?;
        self.wasi().stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.settle(&fd).await?;
        self.wasi().set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn link_at(
        &mut self,
        old: Fd,
        flags: PathFlags,
        old_path: String,
        new: Fd,
        new_path: String,
    ) -> FsResult<()> {
        let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
        let (old, new) = (self.dir(&old).await?, self.dir(&new).await?);
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::link(usage, (&old, &old_path), follow, (&new, &new_path))).await?)
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let dir = self.dir(&fd).await?;
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
        let state = self.state().await?;
        let opened = state.change(move |usage| ops::open(usage, &dir, &path, request)).await?;
        Ok(self.table.push(opened)?)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.settle(&fd).await?;
        self.wasi().readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let dir = self.dir(&fd).await?;
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::remove_directory(usage, &dir, &path)).await?)
    }

    async fn rename_at(&mut self, old: Fd, old_path: String, new: Fd, new_path: String) -> FsResult<()> {
        let (old, new) = (self.dir(&old).await?, self.dir(&new).await?);
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::rename(usage, (&old, &old_path), (&new, &new_path))).await?)
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        let dir = self.dir(&fd).await?;
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::symlink(usage, &dir, &target, &path)).await?)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let dir = self.dir(&fd).await?;
        let state = self.state().await?;
        Ok(state.change(move |usage| ops::unlink(usage, &dir, &path)).await?)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        for fd in [&a, &b] {
            if let Err(error) = self.settle(fd).await {
                // Only a trap is the guest's fault; without a directory the two cannot be compared.
                return error.downcast().map(|_| false);
            }
        }
        self.wasi().is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.settle(&fd).await?;
        self.wasi().metadata_hash(fd).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.settle(&fd).await?;
        self.wasi().metadata_hash_at(fd, flags, path).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.drop_descriptor(fd)
    }
}

impl HostDirectoryEntryStream for FilesystemView<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<ReaddirIterator>) -> FsResult<Option<DirectoryEntry>> {
        self.wasi().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.tmp.release_listing(stream.rep());
        HostDirectoryEntryStream::drop(&mut self.wasi(), stream)
    }
}
