//! Files. Each function is one system call and answers what that answers, or the negative error number; the library makes Node's errors.

use std::{ffi::CString, mem::MaybeUninit};

use rquickjs::{Array, Ctx, IntoJs, Object, Result, TypedArray, Value, prelude::Func};

use crate::bytes;

/// The last call's error number, negated.
fn failure() -> f64 {
    -f64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// A path for a system call; one with a NUL in it names nothing.
fn path(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// A call's answer as JavaScript sees it.
fn outcome(answer: impl Into<i64>) -> f64 {
    let answer = answer.into();
    if answer < 0 { failure() } else { answer as f64 }
}

/// Flags as Node numbers them (Linux) to those of this libc.
fn flags(linux: i32) -> i32 {
    let mut flags = match linux & 3 {
        0 => libc::O_RDONLY,
        1 => libc::O_WRONLY,
        _ => libc::O_RDWR,
    };
    for (from, to) in [
        (0o100, libc::O_CREAT),
        (0o200, libc::O_EXCL),
        (0o1000, libc::O_TRUNC),
        (0o2000, libc::O_APPEND),
        (0o200000, libc::O_DIRECTORY),
        (0o400000, libc::O_NOFOLLOW),
    ] {
        if linux & from != 0 {
            flags |= to;
        }
    }
    flags
}

fn open(name: String, linux: i32) -> f64 {
    // SAFETY: the path is a live string that ends in NUL.
    outcome(unsafe { libc::open(path(&name).as_ptr(), flags(linux), 0o666) })
}

fn close(fd: i32) -> f64 {
    // SAFETY: no memory is passed.
    outcome(unsafe { libc::close(fd) })
}

/// Reads up to `length` bytes into `buffer` from `offset` on; a negative `position` means the file's own.
fn read(fd: i32, buffer: TypedArray<'_, u8>, offset: usize, length: usize, position: f64) -> f64 {
    let Some(raw) = buffer.as_raw() else { return 0.0 };
    let Some(room) = raw.len().checked_sub(offset) else { return 0.0 };
    let length = length.min(room);
    // SAFETY: offset and length are within the array's memory, which nothing else uses during the call.
    unsafe {
        let into = raw.as_ptr().cast::<u8>().add(offset).cast();
        if position < 0.0 {
            outcome(libc::read(fd, into, length) as i64)
        } else {
            outcome(libc::pread(fd, into, length, position as i64) as i64)
        }
    }
}

/// Writes a part of `buffer`, as `read` reads.
fn write(fd: i32, buffer: TypedArray<'_, u8>, offset: usize, length: usize, position: f64) -> f64 {
    let bytes = bytes::of(&buffer);
    let bytes = bytes.get(offset..).unwrap_or_default();
    let bytes = bytes.get(..length.min(bytes.len())).unwrap_or_default();
    // SAFETY: pointer and length are those of a live slice, which is only read.
    unsafe {
        if position < 0.0 {
            outcome(libc::write(fd, bytes.as_ptr().cast(), bytes.len()) as i64)
        } else {
            outcome(libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), position as i64) as i64)
        }
    }
}

/// A whole file; a negative number when it cannot be read.
fn read_file<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    match std::fs::read(&name) {
        Ok(content) => Ok(bytes::array(&ctx, content)?.into_value()),
        Err(error) => (-f64::from(error.raw_os_error().unwrap_or(libc::EIO))).into_js(&ctx),
    }
}

/// A whole text file; a negative number when it cannot be read.
fn read_text<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    match std::fs::read(&name) {
        Ok(content) => String::from_utf8_lossy(&content).into_js(&ctx),
        Err(error) => (-f64::from(error.raw_os_error().unwrap_or(libc::EIO))).into_js(&ctx),
    }
}

/// Times of a file in milliseconds since 1970.
fn milliseconds(time: libc::timespec) -> f64 {
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// `[device, inode, mode, links, size, accessed, modified, changed]`, or a negative number.
fn described<'js>(ctx: &Ctx<'js>, answer: i32, stat: &MaybeUninit<libc::stat>) -> Result<Value<'js>> {
    if answer < 0 {
        return failure().into_js(ctx);
    }
    // SAFETY: the call that answered without an error has filled it.
    let stat = unsafe { stat.assume_init_ref() };
    let fields = Array::new(ctx.clone())?;
    let values = [
        stat.st_dev as f64,
        stat.st_ino as f64,
        f64::from(stat.st_mode),
        stat.st_nlink as f64,
        stat.st_size as f64,
        milliseconds(stat.st_atim),
        milliseconds(stat.st_mtim),
        milliseconds(stat.st_ctim),
    ];
    for (index, value) in values.into_iter().enumerate() {
        fields.set(index, value)?;
    }
    Ok(fields.into_value())
}

fn stat<'js>(ctx: Ctx<'js>, name: String, follow: bool) -> Result<Value<'js>> {
    let mut stat = MaybeUninit::uninit();
    let name = path(&name);
    // SAFETY: the path ends in NUL, and there is room for one description.
    let answer = unsafe {
        if follow { libc::stat(name.as_ptr(), stat.as_mut_ptr()) } else { libc::lstat(name.as_ptr(), stat.as_mut_ptr()) }
    };
    described(&ctx, answer, &stat)
}

fn fstat(ctx: Ctx<'_>, fd: i32) -> Result<Value<'_>> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: there is room for one description.
    let answer = unsafe { libc::fstat(fd, stat.as_mut_ptr()) };
    described(&ctx, answer, &stat)
}

/// `[name, kind, …]` with the kinds `f`, `d`, `l` and `?`; a negative number when it cannot be read.
fn read_dir<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let entries = match std::fs::read_dir(&name) {
        Ok(entries) => entries,
        Err(error) => return (-f64::from(error.raw_os_error().unwrap_or(libc::EIO))).into_js(&ctx),
    };
    let mut names: Vec<(String, &str)> = entries
        .flatten()
        .map(|entry| {
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_dir() => "d",
                Ok(kind) if kind.is_symlink() => "l",
                Ok(kind) if kind.is_file() => "f",
                _ => "?",
            };
            (entry.file_name().to_string_lossy().into_owned(), kind)
        })
        .collect();
    names.sort();
    let list = Array::new(ctx.clone())?;
    for (index, (name, kind)) in names.into_iter().enumerate() {
        list.set(index * 2, name)?;
        list.set(index * 2 + 1, kind)?;
    }
    Ok(list.into_value())
}

fn make_dir(name: String) -> f64 {
    // SAFETY: the path ends in NUL.
    outcome(unsafe { libc::mkdir(path(&name).as_ptr(), 0o777) })
}

fn remove_dir(name: String) -> f64 {
    // SAFETY: the path ends in NUL.
    outcome(unsafe { libc::rmdir(path(&name).as_ptr()) })
}

fn unlink(name: String) -> f64 {
    // SAFETY: the path ends in NUL.
    outcome(unsafe { libc::unlink(path(&name).as_ptr()) })
}

fn rename(from: String, to: String) -> f64 {
    // SAFETY: both paths end in NUL.
    outcome(unsafe { libc::rename(path(&from).as_ptr(), path(&to).as_ptr()) })
}

fn link(from: String, to: String) -> f64 {
    // SAFETY: both paths end in NUL.
    outcome(unsafe { libc::link(path(&from).as_ptr(), path(&to).as_ptr()) })
}

fn symlink(target: String, name: String) -> f64 {
    // SAFETY: both paths end in NUL.
    outcome(unsafe { libc::symlink(path(&target).as_ptr(), path(&name).as_ptr()) })
}

fn read_link<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    match std::fs::read_link(&name) {
        Ok(target) => target.to_string_lossy().into_owned().into_js(&ctx),
        Err(error) => (-f64::from(error.raw_os_error().unwrap_or(libc::EINVAL))).into_js(&ctx),
    }
}

fn truncate(fd: i32, length: f64) -> f64 {
    // SAFETY: no memory is passed.
    outcome(unsafe { libc::ftruncate(fd, length as i64) })
}

fn sync(fd: i32) -> f64 {
    // SAFETY: no memory is passed.
    outcome(unsafe { libc::fsync(fd) })
}

fn set_times(name: String, accessed: f64, modified: f64) -> f64 {
    let time = |milliseconds: f64| libc::timespec {
        tv_sec: (milliseconds / 1e3).floor() as i64,
        tv_nsec: (milliseconds.rem_euclid(1e3) * 1e6) as _,
    };
    let times = [time(accessed), time(modified)];
    // SAFETY: the path ends in NUL; both times are there.
    outcome(unsafe { libc::utimensat(libc::AT_FDCWD, path(&name).as_ptr(), times.as_ptr(), 0) })
}

fn is_file(name: String) -> bool {
    std::fs::metadata(name).is_ok_and(|data| data.is_file())
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("open", Func::from(open))?;
    native.set("close", Func::from(close))?;
    native.set("read", Func::from(read))?;
    native.set("write", Func::from(write))?;
    native.set("readFile", Func::from(read_file))?;
    native.set("readText", Func::from(read_text))?;
    native.set("stat", Func::from(stat))?;
    native.set("fstat", Func::from(fstat))?;
    native.set("readDir", Func::from(read_dir))?;
    native.set("makeDir", Func::from(make_dir))?;
    native.set("removeDir", Func::from(remove_dir))?;
    native.set("unlink", Func::from(unlink))?;
    native.set("rename", Func::from(rename))?;
    native.set("link", Func::from(link))?;
    native.set("symlink", Func::from(symlink))?;
    native.set("readLink", Func::from(read_link))?;
    native.set("truncate", Func::from(truncate))?;
    native.set("sync", Func::from(sync))?;
    native.set("setTimes", Func::from(set_times))?;
    native.set("isFile", Func::from(is_file))
}
