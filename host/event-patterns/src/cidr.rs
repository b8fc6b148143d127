//! Address blocks, IPv4 and IPv6: `10.0.0.0/24`, `2001:db8::/32`.
//!
//! Bits of the address beyond the mask are ignored. A mask that leaves no bit open is refused, as AWS does.

use std::net::IpAddr;

use crate::PatternError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cidr {
    V4 { network: u32, mask: u32 },
    V6 { network: u128, mask: u128 },
}

impl Cidr {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let parts = text.split_once('/').filter(|(_, bits)| !bits.is_empty() && !bits.contains('/'));
        let Some((address, bits)) = parts else {
            return Err(PatternError::new("Malformed CIDR, one '/' required"));
        };
        let Ok(bits) = bits.parse::<i32>() else {
            return Err(PatternError::new("Malformed CIDR, mask bits must be an integer"));
        };
        let Ok(bits) = u32::try_from(bits) else {
            return Err(PatternError::new("Malformed CIDR, mask bits must not be negative"));
        };
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => {
                if bits > 31 {
                    return Err(PatternError::new("IPv4 mask bits must be < 32"));
                }
                let mask = !u32::MAX.checked_shr(bits).unwrap_or(0);
                Ok(Self::V4 { network: address.to_bits() & mask, mask })
            }
            Ok(IpAddr::V6(address)) => {
                if bits > 127 {
                    return Err(PatternError::new("IPv6 mask bits must be < 128"));
                }
                let mask = !u128::MAX.checked_shr(bits).unwrap_or(0);
                Ok(Self::V6 { network: address.to_bits() & mask, mask })
            }
            Err(_) => Err(PatternError::new(format!("Nonstandard IP address: {address}"))),
        }
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        match (self, text.parse::<IpAddr>()) {
            (Self::V4 { network, mask }, Ok(IpAddr::V4(address))) => address.to_bits() & mask == *network,
            (Self::V6 { network, mask }, Ok(IpAddr::V6(address))) => address.to_bits() & mask == *network,
            _ => false,
        }
    }
}
