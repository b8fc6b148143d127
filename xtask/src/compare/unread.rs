//! Where requests wait while a server and its load generator are both busy: in sockets that the server has not read yet, or as answers in
//! sockets that the load generator has not. A snapshot of all connections counts both, which tells a slow server from a slow client.

use std::fs;

/// Connections with bytes that nobody has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unread {
    /// At the server: requests.
    pub requests: u64,
    /// At its clients: answers.
    pub answers: u64,
}

impl Unread {
    /// Those of the IPv4 connections to `port` of this machine now; nothing where the kernel does not tell.
    pub fn now(port: u16) -> Option<Self> {
        Some(Self::of(&fs::read_to_string("/proc/net/tcp").ok()?, port))
    }

    /// The same from the text of `/proc/net/tcp`: addresses, state and queues in hexadecimal.
    fn of(table: &str, port: u16) -> Self {
        let mut unread = Self::default();
        for line in table.lines() {
            let fields: Vec<&str> = line.split_whitespace().take(5).collect();
            let [_, local, remote, "01", queues] = fields.as_slice() else { continue };
            let received = queues.split_once(':').and_then(|(_, bytes)| u64::from_str_radix(bytes, 16).ok());
            if received.is_none_or(|bytes| bytes == 0) {
                continue;
            }
            let of_port = |address: &str| {
                let digits = address.split_once(':').map(|(_, digits)| u16::from_str_radix(digits, 16));
                digits == Some(Ok(port))
            };
            unread.requests += u64::from(of_port(local));
            unread.answers += u64::from(of_port(remote));
        }
        unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_told_apart() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n   \
             1: 0100007F:1F90 0100007F:C001 01 00000000:0000005A 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1\n   \
             2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1\n   \
             3: 0100007F:C002 0100007F:1F90 01 00000000:00000101 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1\n   \
             4: 0100007F:0050 0100007F:C003 01 00000000:0000005A 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1\n";
        assert_eq!(Unread::of(table, 8080), Unread { requests: 1, answers: 1 });
    }
}
