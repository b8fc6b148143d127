use super::*;
use crate::credentials::file::Store;
use crate::credentials::{Config, Keys};
use tempfile::TempDir;

fn store(dir: &TempDir) -> Store {
    Config::default().store(dir.path())
}

fn role(name: &str, action: &str) -> RoleRecord {
    RoleRecord { name: name.to_owned(), policy: Policy::allowing(&[action], &["*".to_owned()]) }
}

#[test]
fn arns_of_roles_are_taken_apart() {
    for (text, account, name) in [
        ("arn:aws:iam::000000000000:role/r", "000000000000", "r"),
        ("arn:aws:iam::123456789012:role/service-role/deep/r+=,.@_-1", "123456789012", "r+=,.@_-1"),
        ("arn:aws-cn:iam::123456789012:role/r", "123456789012", "r"),
    ] {
        let arn = RoleArn::parse(text).unwrap();
        assert_eq!((arn.as_str(), arn.account(), arn.name()), (text, account, name));
        assert_eq!(arn.id().len(), 21);
    }
    for text in [
        "",
        "r",
        "arn:aws:iam::000000000000:user/r",
        "arn:aws:iam::000000000000:role/",
        "arn:aws:iam::000000000000:role/path/",
        "arn:aws:iam::00000000000:role/r",
        "arn:aws:iam::00000000000x:role/r",
        "arn:aws:iam:us-east-1:000000000000:role/r",
        "arn:amazon:iam::000000000000:role/r",
        "arn:aws-:x:iam::000000000000:role/r",
        "arn:aws:iam::000000000000:role/r:s",
        "arn:aws:iam::000000000000:role/r\nf",
        "arn:aws:iam::000000000000:role/é",
        &format!("arn:aws:iam::000000000000:role/{}", "r".repeat(65)),
        &format!("arn:aws:iam::000000000000:role/{}/r", "p".repeat(2_048)),
    ] {
        assert_eq!(RoleArn::parse(text), None, "{text}");
    }
}

#[test]
fn roles_come_change_and_go_beside_the_keys() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.set_role(role("worker", "sqs:SendMessage")).unwrap();
    store.set_role(role("other", "sqs:*")).unwrap();
    // Policies need no sealing key.
    assert!(!dir.path().join("credentials.key").exists());
    let everything = Policy::allowing(&["*"], &["*".to_owned()]);
    store.create("ci", "000000000000", everything, jiff::Timestamp::UNIX_EPOCH).unwrap();
    store.set_role(role("worker", "sqs:ReceiveMessage")).unwrap();
    assert_eq!(store.roles().unwrap(), [role("worker", "sqs:ReceiveMessage"), role("other", "sqs:*")]);
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(store.delete_role("other").unwrap(), Some(role("other", "sqs:*")));
    assert_eq!(store.delete_role("other").unwrap(), None);
    assert_eq!(store.open().unwrap().roles.len(), 1);
    for wrong in [role("no name", "sqs:*"), role("", "sqs:*"), role("worker", "send")] {
        assert!(matches!(store.set_role(wrong), Err(Error::Invalid(_))));
    }
}

#[test]
fn roles_alone_do_not_close_the_port() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let keys = Keys::open(store.clone(), false).unwrap();
    assert!(keys.role("worker").is_none());
    store.set_role(role("worker", "sqs:SendMessage")).unwrap();
    assert_eq!(keys.reload().unwrap(), 0);
    assert!(keys.role("worker").is_some());
    assert!(!keys.is_required());
}

#[test]
fn a_file_with_wrong_roles_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.set_role(role("worker", "sqs:SendMessage")).unwrap();
    let text = std::fs::read_to_string(&store.path).unwrap();
    let twice =
        text.replace("\"roles\": [", &format!("\"roles\": [{},", serde_json::to_string(&role("worker", "*")).unwrap()));
    for (text, says) in [
        (twice, "the role worker twice"),
        (text.replace("sqs:SendMessage", "send"), "role worker"),
        (text.replace("\"name\": \"worker\"", "\"name\": \"a b\""), "no name"),
        (text.replace("\"policy\"", "\"secret\""), "secret"),
    ] {
        std::fs::write(&store.path, text).unwrap();
        let error = store.roles().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
