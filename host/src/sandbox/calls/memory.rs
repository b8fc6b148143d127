//! A core module's linear memory, as host functions reach it: every pointer and length is the guest's word and is checked.

use wasmtime::{Caller, Extern};

/// A pointer or a length that leads out of the guest's memory. The guest's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host call was given {len} bytes at {ptr:#x}, which is not all inside the guest's memory")]
pub(super) struct OutOfBounds {
    /// Where.
    pub(super) ptr: u32,
    /// How many bytes.
    pub(super) len: u32,
}

/// A guest that calls the host exports its memory. The guest's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the guest calls the host but exports no memory of its own by the name \"memory\"")]
pub(super) struct NoMemory;

/// The guest's memory for the time of one step of a call: memory may grow and move whenever the guest runs or a call waits.
pub(super) struct GuestMemory<'a>(&'a mut [u8]);

/// The guest's memory and its store's data, borrowed side by side.
///
/// # Errors
/// [`NoMemory`], a trap.
pub(super) fn split<'a, T: 'static>(caller: &'a mut Caller<'_, T>) -> wasmtime::Result<(GuestMemory<'a>, &'a mut T)> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or(NoMemory)?;
    let (bytes, data) = memory.data_and_store_mut(caller);
    Ok((GuestMemory(bytes), data))
}

impl<'a> GuestMemory<'a> {
    /// Memory that is just these bytes.
    #[cfg(test)]
    pub(super) fn of(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    /// `len` bytes at `ptr`.
    pub(super) fn bytes(&self, ptr: u32, len: u32) -> Result<&[u8], OutOfBounds> {
        let (start, end) = range(ptr, len).ok_or(OutOfBounds { ptr, len })?;
        self.0.get(start..end).ok_or(OutOfBounds { ptr, len })
    }

    /// `len` bytes at `ptr`, to be written to.
    pub(super) fn bytes_mut(&mut self, ptr: u32, len: u32) -> Result<&mut [u8], OutOfBounds> {
        let (start, end) = range(ptr, len).ok_or(OutOfBounds { ptr, len })?;
        self.0.get_mut(start..end).ok_or(OutOfBounds { ptr, len })
    }

    pub(super) fn u32(&self, ptr: u32) -> Result<u32, OutOfBounds> {
        self.array(ptr).map(u32::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(&self, ptr: u32) -> Result<[u8; N], OutOfBounds> {
        let out = OutOfBounds { ptr, len: u32::try_from(N).unwrap_or(u32::MAX) };
        let bytes = self.bytes(out.ptr, out.len)?;
        <[u8; N]>::try_from(bytes).map_err(|_| out)
    }

    /// Writes all of `bytes` at `ptr`.
    pub(super) fn put(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let len = u32::try_from(bytes.len()).map_err(|_| OutOfBounds { ptr, len: u32::MAX })?;
        self.bytes_mut(ptr, len)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_u32(&mut self, ptr: u32, value: u32) -> Result<(), OutOfBounds> {
        self.put(ptr, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, ptr: u32, value: u64) -> Result<(), OutOfBounds> {
        self.put(ptr, &value.to_le_bytes())
    }
}

fn range(ptr: u32, len: u32) -> Option<(usize, usize)> {
    let (start, len) = (usize::try_from(ptr).ok()?, usize::try_from(len).ok()?);
    Some((start, start.checked_add(len)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_is_read_and_written() {
        let mut bytes = [1, 2, 3, 4, 5];
        let mut memory = GuestMemory::of(&mut bytes);
        assert_eq!(memory.u32(1), Ok(u32::from_le_bytes([2, 3, 4, 5])));
        assert_eq!(memory.bytes(5, 0), Ok(&[][..]));
        for (ptr, len) in [(0, 6), (5, 1), (6, 0), (u32::MAX, 1), (u32::MAX, u32::MAX), (1, u32::MAX)] {
            assert_eq!(memory.bytes(ptr, len), Err(OutOfBounds { ptr, len }));
            assert_eq!(memory.bytes_mut(ptr, len).err(), Some(OutOfBounds { ptr, len }));
        }
        assert!(memory.put_u32(2, 7).is_err());
        assert!(memory.put(3, &[8, 9]).is_ok());
        assert_eq!(bytes, [1, 2, 3, 8, 9]);
    }
}
