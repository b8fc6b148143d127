//! Hashes, message authentication codes and key derivation.

use std::cell::RefCell;

use hmac::{Mac, SimpleHmac};
use rquickjs::{Ctx, Exception, Object, Result, TypedArray, prelude::Func};
use sha2::Digest;

use crate::bytes;

/// Evaluates `$body` with `$hash` standing for the algorithm's type; `$otherwise` for a name that is none.
macro_rules! with_hash {
    ($name:expr, $hash:ident => $body:expr, $otherwise:expr) => {
        match $name {
            "md5" => {
                type $hash = md5::Md5;
                $body
            }
            "sha1" => {
                type $hash = sha1::Sha1;
                $body
            }
            "sha224" => {
                type $hash = sha2::Sha224;
                $body
            }
            "sha256" => {
                type $hash = sha2::Sha256;
                $body
            }
            "sha384" => {
                type $hash = sha2::Sha384;
                $body
            }
            "sha512" => {
                type $hash = sha2::Sha512;
                $body
            }
            "sha512-256" => {
                type $hash = sha2::Sha512_256;
                $body
            }
            _ => $otherwise,
        }
    };
}

/// A hash or a code in the making.
trait State {
    fn update(&mut self, data: &[u8]);
    fn finish(self: Box<Self>) -> Vec<u8>;
    fn copy(&self) -> Box<dyn State>;
}

#[derive(Clone)]
struct Hash<D>(D);

impl<D: Digest + Clone + 'static> State for Hash<D> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
}

#[derive(Clone)]
struct Code<M>(M);

impl<M: Mac + Clone + 'static> State for Code<M> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
}

thread_local! {
    /// States by handle; a handle is a place in here.
    static STATES: RefCell<Vec<Option<Box<dyn State>>>> = const { RefCell::new(Vec::new()) };
}

fn keep(state: Box<dyn State>) -> i32 {
    STATES.with_borrow_mut(|states| {
        let free = states.iter().position(Option::is_none).unwrap_or(states.len());
        match states.get_mut(free) {
            Some(place) => *place = Some(state),
            None => states.push(Some(state)),
        }
        i32::try_from(free).unwrap_or(-1)
    })
}

/// A handle of a new hash, -1 for an algorithm that is not known.
fn hash_new(algorithm: String) -> i32 {
    with_hash!(algorithm.as_str(), H => keep(Box::new(Hash(H::new()))), -1)
}

/// A handle of a new HMAC, -1 for an algorithm that is not known.
fn hmac_new(algorithm: String, key: TypedArray<'_, u8>) -> i32 {
    let key = bytes::of(&key);
    with_hash!(algorithm.as_str(), H => match SimpleHmac::<H>::new_from_slice(key) {
        Ok(code) => keep(Box::new(Code(code))),
        Err(_) => -1,
    }, -1)
}

fn hash_update(handle: usize, data: TypedArray<'_, u8>) {
    STATES.with_borrow_mut(|states| {
        if let Some(Some(state)) = states.get_mut(handle) {
            state.update(bytes::of(&data));
        }
    });
}

/// The digest; the handle is free again.
fn hash_finish<'js>(ctx: Ctx<'js>, handle: usize) -> Result<TypedArray<'js, u8>> {
    match STATES.with_borrow_mut(|states| states.get_mut(handle).and_then(Option::take)) {
        Some(state) => bytes::array(&ctx, state.finish()),
        None => Err(Exception::throw_internal(&ctx, "no such hash")),
    }
}

/// A handle of a copy in the same state.
fn hash_copy(handle: usize) -> i32 {
    STATES.with_borrow(|states| states.get(handle).and_then(|state| state.as_ref().map(|state| state.copy()))).map_or(-1, keep)
}

fn unknown<T>(ctx: &Ctx<'_>, algorithm: &str) -> Result<T> {
    Err(Exception::throw_type(ctx, &format!("Invalid digest: {algorithm}")))
}

fn pbkdf2<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    secret: TypedArray<'js, u8>,
    salt: TypedArray<'js, u8>,
    rounds: u32,
    length: usize,
) -> Result<TypedArray<'js, u8>> {
    let mut key = vec![0; length];
    let (secret, salt) = (bytes::of(&secret), bytes::of(&salt));
    with_hash!(algorithm.as_str(), H => {
        if ::pbkdf2::pbkdf2::<SimpleHmac<H>>(secret, salt, rounds, &mut key).is_err() {
            return Err(Exception::throw_range(&ctx, "invalid key length"));
        }
    }, return unknown(&ctx, &algorithm));
    bytes::array(&ctx, key)
}

fn hkdf<'js>(
    ctx: Ctx<'js>,
    algorithm: String,
    secret: TypedArray<'js, u8>,
    salt: TypedArray<'js, u8>,
    info: TypedArray<'js, u8>,
    length: usize,
) -> Result<TypedArray<'js, u8>> {
    let mut key = vec![0; length];
    let (secret, salt, info) = (bytes::of(&secret), bytes::of(&salt), bytes::of(&info));
    with_hash!(algorithm.as_str(), H => {
        if ::hkdf::SimpleHkdf::<H>::new(Some(salt), secret).expand(info, &mut key).is_err() {
            return Err(Exception::throw_range(&ctx, "invalid key length"));
        }
    }, return unknown(&ctx, &algorithm));
    bytes::array(&ctx, key)
}

/// `cost` is the binary logarithm of Node's `N`.
fn scrypt<'js>(
    ctx: Ctx<'js>,
    secret: TypedArray<'js, u8>,
    salt: TypedArray<'js, u8>,
    cost: u8,
    block: u32,
    parallel: u32,
    length: usize,
) -> Result<TypedArray<'js, u8>> {
    let mut key = vec![0; length];
    let done = ::scrypt::Params::new(cost, block, parallel, 32)
        .ok()
        .and_then(|params| ::scrypt::scrypt(bytes::of(&secret), bytes::of(&salt), &params, &mut key).ok());
    match done {
        Some(()) => bytes::array(&ctx, key),
        None => Err(Exception::throw_range(&ctx, "Invalid scrypt params")),
    }
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("hashNew", Func::from(hash_new))?;
    native.set("hmacNew", Func::from(hmac_new))?;
    native.set("hashUpdate", Func::from(hash_update))?;
    native.set("hashFinish", Func::from(hash_finish))?;
    native.set("hashCopy", Func::from(hash_copy))?;
    native.set("pbkdf2", Func::from(pbkdf2))?;
    native.set("hkdf", Func::from(hkdf))?;
    native.set("scrypt", Func::from(scrypt))
}
