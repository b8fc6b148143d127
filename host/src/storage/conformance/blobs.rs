//! Blobs.

use super::*;
use crate::storage::blobs::BlobInfo;
use bytes::Bytes;

on_every_backend!(blobs_are_put_read_listed_and_removed, the_same_blob_may_be_put_by_many_at_once);

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async fn blobs_are_put_read_listed_and_removed(storage: Storage) {
    let blobs = &storage.blobs;
    assert_eq!(blobs.get(ABC.into()).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(blobs.put(Bytes::from_static(b"abc")).await.unwrap(), ABC);
    }
    assert_eq!(blobs.put(Bytes::new()).await.unwrap(), EMPTY);
    assert_eq!(blobs.get(ABC.into()).await.unwrap().unwrap(), "abc");
    assert_eq!(std::fs::read(blobs.path(ABC).unwrap()).unwrap(), b"abc");
    let info = |sha256: &str, size_bytes| BlobInfo { sha256: sha256.into(), size_bytes };
    assert_eq!(blobs.list().await.unwrap(), [info(ABC, 3), info(EMPTY, 0)]);
    assert!(blobs.remove(ABC.into()).await.unwrap());
    assert!(!blobs.remove(ABC.into()).await.unwrap());
    assert_eq!(blobs.list().await.unwrap(), [info(EMPTY, 0)]);
    for name in ["", "../../etc/passwd", &ABC.to_uppercase()] {
        assert_eq!(blobs.get(name.into()).await.unwrap(), None);
        assert!(!blobs.remove(name.into()).await.unwrap());
        assert_eq!(blobs.path(name), None);
    }
}

async fn the_same_blob_may_be_put_by_many_at_once(storage: Storage) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let blobs = storage.blobs.clone();
        tasks.spawn(async move { blobs.put(Bytes::from_static(b"abc")).await.unwrap() });
    }
    assert!(tasks.join_all().await.iter().all(|name| name == ABC));
    assert_eq!(storage.blobs.list().await.unwrap().len(), 1);
    assert_eq!(storage.blobs.get(ABC.into()).await.unwrap().unwrap(), "abc");
}
