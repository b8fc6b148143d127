//! Secrets on disk: ChaCha20-Poly1305 with a random nonce, bound to the access key's id and account.

use super::Error;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a sealing key.
const KEY_BYTES: usize = 32;

/// What secrets are sealed with.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey([u8; KEY_BYTES]);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

/// A text that is no sealing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes in base64, such as `openssl rand -base64 32` prints")]
pub struct NotAKey;

/// A secret that this key did not seal, or not for this access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("was not sealed with this key")]
pub struct NotSealedByThis;

impl SealingKey {
    /// A new one.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random()?))
    }

    /// Reads one from base64.
    ///
    /// # Errors
    /// Where the text is not 32 bytes.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| NotAKey)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAKey)?))
    }

    /// As base64.
    pub fn to_text(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// A key for another purpose, which `label` names. It tells nothing of this one.
    pub(super) fn derived(&self, label: &str) -> hmac::Key {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), label.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }

    fn aead(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.0).ok().map(LessSafeKey::new)
    }

    /// Seals `secret` for what `bound_to` names.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn seal(&self, secret: &str, bound_to: &str) -> Result<String, Error> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = secret.as_bytes().to_vec();
        let aead = self.aead().ok_or(Error::NoRandomness)?;
        aead.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut sealed)
            .map_err(|_| Error::NoRandomness)?;
        Ok(BASE64_STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed.
    ///
    /// # Errors
    /// Where it was sealed with another key, for another name, or changed.
    pub fn open(&self, sealed: &str, bound_to: &str) -> Result<String, NotSealedByThis> {
        let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| NotSealedByThis)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(NotSealedByThis)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealedByThis)?;
        let mut text = text.to_vec();
        let aead = self.aead().ok_or(NotSealedByThis)?;
        let secret = aead.open_in_place(nonce, Aad::from(bound_to), &mut text).map_err(|_| NotSealedByThis)?;
        String::from_utf8(secret.to_vec()).map_err(|_| NotSealedByThis)
    }
}

/// Random bytes from the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}
