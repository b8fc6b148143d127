use super::file::{Sealing, Store};
use super::policy::matches;
use super::roles::RoleRecord;
use super::seal::SealingKey;
use super::sessions::Issued;
use super::*;
use crate::clock::{Clock, SharedClock};
use crate::ids::{FunctionName, Home, Version};
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::request::Parts;
use jiff::Timestamp;
use lamina_sigv4::{Signer, sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const ACCOUNT: &str = "000000000000";

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn everything() -> Policy {
    Policy::allowing(&["*"], &["*".to_owned()])
}

fn store(dir: &TempDir) -> Store {
    Config::default().store(dir.path())
}

#[test]
fn patterns_match_as_iam_has_them() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("*", "anything:at/all", true),
        ("a*c", "abbbc", true),
        ("a*c", "abbb", false),
        ("a*b*c", "aXbYbZc", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("**a", "bba", true),
        ("", "", true),
        ("", "a", false),
        ("arn:aws:lambda:*:*:function:f", "arn:aws:lambda:us-east-1:0:function:f:live", false),
        ("arn:aws:lambda:*:*:function:f*", "arn:aws:lambda:us-east-1:0:function:f:live", true),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
    // A pattern that would take a naive matcher for ever.
    assert!(!matches(&"*a".repeat(100), &"a".repeat(99).replace("aaa", "aab")));
}

#[test]
fn a_deny_wins_and_silence_denies() {
    let policy = Policy::parse(
        r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["lambda:*", "SQS:sendmessage"], "Resource": "*"},
            {"Sid": "no", "Effect": "Deny", "Action": "lambda:Delete*", "Resource": ["arn:aws:lambda:*:*:function:keep"]}
        ]}"#,
    )
    .unwrap();
    let keep = "arn:aws:lambda:us-east-1:000000000000:function:keep";
    assert_eq!(policy.decide("lambda:InvokeFunction", keep, &[]), Decision::Allowed);
    assert_eq!(policy.decide("lambda:DeleteFunction", keep, &[]), Decision::Denied);
    assert_eq!(policy.decide("lambda:DeleteFunction", "arn:other", &[]), Decision::Allowed);
    assert_eq!(policy.decide("lambda:DeleteFunction", "arn:other", &[keep.to_owned()]), Decision::Denied);
    assert_eq!(policy.decide("sqs:SendMessage", "q", &[]), Decision::Allowed);
    assert_eq!(policy.decide("sqs:ReceiveMessage", "q", &[]), Decision::NotAllowed);
    assert_eq!(policy.decide("lambdas:InvokeFunction", "q", &[]), Decision::NotAllowed);
}

#[test]
fn policies_that_say_less_than_they_seem_to_are_refused() {
    for (text, says) in [
        (r#"{"Statement": []}"#, "statements"),
        (r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}}"#, "Condition"),
        (r#"{"Statement": {"Effect": "Allow", "NotAction": "*", "Resource": "*"}}"#, "NotAction"),
        (r#"{"Statement": {"Effect": "Maybe", "Action": "*", "Resource": "*"}}"#, "Maybe"),
        (r#"{"Statement": {"Effect": "Allow", "Action": "invoke", "Resource": "*"}}"#, "service:action"),
        (r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "f"}}"#, "ARN"),
        (r#"{"Statement": {"Effect": "Allow", "Action": [], "Resource": "*"}}"#, "Action"),
        (r#"{"Version": "2030-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#, "version"),
        ("nothing", "expected"),
    ] {
        let error = Policy::parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn keys_are_made_listed_and_deleted() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    assert_eq!(store.list().unwrap(), []);
    let created = store.create("ci", ACCOUNT, everything(), now()).unwrap();
    assert!(created.record.access_key_id.starts_with("LKIA") && created.record.access_key_id.len() == 20);
    assert_eq!(created.secret.len(), 40);
    assert_eq!(store.open().unwrap().keys, [(created.record.clone(), created.secret.clone())]);
    let text = std::fs::read_to_string(&store.path).unwrap();
    assert!(!text.contains(&created.secret));
    assert!(matches!(store.create("ci", ACCOUNT, everything(), now()), Err(Error::Invalid(_))));
    for name in ["", "a b", "ä", &"a".repeat(65)] {
        assert!(matches!(store.create(name, ACCOUNT, everything(), now()), Err(Error::Invalid(_))), "{name}");
    }
    assert!(store.create("x", "12", everything(), now()).is_err());
    let other = store.create("other", ACCOUNT, everything(), now()).unwrap();
    assert_eq!(store.delete("nobody").unwrap(), None);
    assert_eq!(store.delete("ci").unwrap(), Some(created.record));
    assert_eq!(store.delete(&other.record.access_key_id).unwrap(), Some(other.record));
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn files_open_to_others_are_not_read() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.create("ci", ACCOUNT, everything(), now()).unwrap();
    for name in ["credentials.json", "credentials.key"] {
        let path = dir.path().join(name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
        for mode in [0o640, 0o604, 0o660, 0o700] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(store.open(), Err(Error::TooOpen { .. })), "{name} {mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(store.open().is_ok(), "{name}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn secrets_open_with_their_key_and_for_their_record_only() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.create("ci", ACCOUNT, everything(), now()).unwrap();
    let other = Store { sealing: Sealing::Key(SealingKey::generate().unwrap()), ..store.clone() };
    assert!(other.open().unwrap_err().to_string().contains("was not sealed with this key"));
    let text = std::fs::read_to_string(&store.path).unwrap();
    std::fs::write(&store.path, text.replace(ACCOUNT, "000000000001")).unwrap();
    assert!(store.open().unwrap_err().to_string().contains("was not sealed with this key"));
    std::fs::write(&store.path, text).unwrap();
    std::fs::remove_file(dir.path().join("credentials.key")).unwrap();
    assert!(store.open().unwrap_err().to_string().contains("is missing"));
    // A key made now could not be opened beside the old ones.
    assert!(store.create("more", ACCOUNT, everything(), now()).is_err());
    let key = SealingKey::generate().unwrap();
    assert_eq!(SealingKey::parse(&key.to_text()), Ok(key));
    assert!(SealingKey::parse("c2hvcnQ=").is_err());
}

fn signed(id: &str, secret: &str, service: &str) -> Parts {
    let (mut parts, ()) = http::Request::post("http://localhost:4566/").body(()).unwrap().into_parts();
    Signer { access_key_id: id, secret, region: "us-east-1", service }.sign(&mut parts, &sha256(b"{}"), now()).unwrap();
    parts
}

fn authenticator(keys: &Arc<Keys>, at: Timestamp) -> Authenticator {
    let clock: SharedClock = Arc::new(At(at));
    Authenticator::new(Arc::clone(keys), clock, Home::default())
}

#[test]
fn requests_are_verified_against_the_keys_as_last_read() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let keys = Arc::new(Keys::open(store.clone(), false).unwrap());
    assert!(!keys.is_required());
    let made = store.create("ci", ACCOUNT, everything(), now()).unwrap();
    let (id, secret) = (made.record.access_key_id.as_str(), made.secret.as_str());
    let parts = signed(id, secret, "sqs");
    let body = sha256(b"{}");
    let here = authenticator(&keys, now());
    assert_eq!(here.verify(&parts, "sqs", &body, false).unwrap_err(), Denied::UnknownKey);
    assert_eq!(keys.reload().unwrap(), 1);
    assert!(keys.is_required());
    let caller = here.verify(&parts, "sqs", &body, false).unwrap();
    assert_eq!(caller.arn(), "arn:aws:iam::000000000000:user/ci");
    assert!(matches!(here.verify(&parts, "lambda", &body, false), Err(Denied::OutOfScope(_))));
    assert!(matches!(here.verify(&parts, "sqs", &sha256(b"[]"), false), Err(Denied::Mismatch(_))));
    assert!(matches!(here.verify(&signed(id, "no", "sqs"), "sqs", &body, false), Err(Denied::Mismatch(_))));
    let later = authenticator(&keys, now() + jiff::SignedDuration::from_mins(16));
    assert!(matches!(later.verify(&parts, "sqs", &body, false), Err(Denied::Stale(_))));
    let (bare, ()) = http::Request::post("http://localhost/").body(()).unwrap().into_parts();
    assert_eq!(here.verify(&bare, "sqs", &body, false).unwrap_err(), Denied::Missing);
    store.delete("ci").unwrap();
    keys.reload().unwrap();
    assert_eq!(here.verify(&parts, "sqs", &body, false).unwrap_err(), Denied::UnknownKey);
    // The last key is gone, and the door stays shut.
    assert!(keys.is_required());
}

#[test]
fn a_file_that_went_wrong_leaves_the_keys_as_they_are() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    store.create("ci", ACCOUNT, everything(), now()).unwrap();
    let keys = Keys::open(store.clone(), false).unwrap();
    std::fs::write(&store.path, "{").unwrap();
    assert!(keys.reload().is_err());
    assert_eq!(keys.count(), 1);
}

#[test]
fn unsigned_bodies_and_session_tokens_are_refused() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let made = store.create("ci", ACCOUNT, everything(), now()).unwrap();
    let keys = Arc::new(Keys::open(store, false).unwrap());
    let here = authenticator(&keys, now());
    let with = |name: &'static str, value: &'static str| {
        let (mut parts, ()) = http::Request::post("http://localhost:4566/").body(()).unwrap().into_parts();
        parts.headers.insert(name, HeaderValue::from_static(value));
        let (access_key_id, secret) = (made.record.access_key_id.as_str(), made.secret.as_str());
        let signer = Signer { access_key_id, secret, region: "us-east-1", service: "lambda" };
        signer.sign(&mut parts, &sha256(b""), now()).unwrap();
        parts
    };
    let unsigned = with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(here.verify(&unsigned, "lambda", &sha256(b"x"), false).unwrap_err(), Denied::UnsignedBody);
    assert!(here.verify(&unsigned, "lambda", &sha256(b"x"), true).is_ok());
    let session = with("x-amz-security-token", "t");
    assert_eq!(here.verify(&session, "lambda", &sha256(b""), false).unwrap_err(), Denied::UnknownKey);
}

#[test]
fn keys_of_another_account_may_do_nothing() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let made = store.create("guest", "111111111111", everything(), now()).unwrap();
    let keys = Arc::new(Keys::open(store, false).unwrap());
    let parts = signed(&made.record.access_key_id, &made.secret, "sqs");
    let caller = authenticator(&keys, now()).verify(&parts, "sqs", &sha256(b"{}"), false).unwrap();
    let ask = Ask {
        action: "sqs:ListQueues",
        resource: "*",
        also: &[],
        owner: ACCOUNT,
        statements: &[],
        context: Context::default(),
    };
    let denied = caller.authorize(&ask).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:iam::111111111111:user/guest is not authorized to perform: sqs:ListQueues on resource: * because \
         no resource-based policy allows the sqs:ListQueues action"
    );
}

/// Says that every version is there, until it is told otherwise.
struct There(AtomicBool);

impl Holders for There {
    fn holds(&self, _: &Session) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn signed_with(issued: &Issued, token: Option<&str>) -> Parts {
    let (mut parts, ()) = http::Request::post("http://localhost:4566/").body(()).unwrap().into_parts();
    if let Some(token) = token {
        parts.headers.insert("x-amz-security-token", HeaderValue::from_str(token).unwrap());
    }
    let (access_key_id, secret) = (issued.access_key_id.as_str(), issued.secret.as_str());
    let signer = Signer { access_key_id, secret, region: "us-east-1", service: "sqs" };
    signer.sign(&mut parts, &sha256(b"{}"), now()).unwrap();
    parts
}

fn send(action: &str) -> Ask<'_> {
    let context = Context::default();
    Ask {
        action,
        resource: "arn:aws:sqs:us-east-1:000000000000:q",
        also: &[],
        owner: ACCOUNT,
        statements: &[],
        context,
    }
}

#[test]
fn functions_are_known_by_their_tokens_and_may_what_their_role_may() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let keys = Arc::new(Keys::open(store.clone(), true).unwrap());
    let sessions = Arc::new(Sessions::open(store.clone()).unwrap());
    let there = Arc::new(There(AtomicBool::new(true)));
    let here = authenticator(&keys, now()).with_sessions(Arc::clone(&sessions), Arc::clone(&there) as Arc<dyn Holders>);
    let of_role = |role: &str| Session {
        role: RoleArn::parse(role).unwrap(),
        function: FunctionName::new("f").unwrap(),
        created_at_ms: 1,
        version: Version::Latest,
    };
    let session = of_role("arn:aws:iam::000000000000:role/path/worker");
    let issued = sessions.issue(&session).unwrap();
    let verify = |parts: &Parts| here.verify(parts, "sqs", &sha256(b"{}"), false);
    let parts = signed_with(&issued, Some(&issued.token));

    // Nothing is said of the role yet.
    let caller = verify(&parts).unwrap();
    assert_eq!(caller.arn(), "arn:aws:sts::000000000000:assumed-role/worker/f");
    assert_eq!((caller.account(), caller.user_id()), (ACCOUNT, session.user_id()));
    assert_eq!(caller.access_key_id(), issued.access_key_id);
    let denied = caller.authorize(&send("sqs:SendMessage")).unwrap_err().to_string();
    let expected = "User: arn:aws:sts::000000000000:assumed-role/worker/f is not authorized to perform: sqs:SendMessage on \
         resource: arn:aws:sqs:us-east-1:000000000000:q because no identity-based policy allows";
    assert!(denied.starts_with(expected), "{denied}");

    let policy = Policy::allowing(&["sqs:SendMessage"], &["*".to_owned()]);
    store.set_role(RoleRecord { name: "worker".to_owned(), policy }).unwrap();
    keys.reload().unwrap();
    let caller = verify(&parts).unwrap();
    assert_eq!(caller.authorize(&send("sqs:SendMessage")), Ok(()));
    assert!(caller.authorize(&send("sqs:ReceiveMessage")).is_err());

    // A role of that name in another account is another role.
    let foreign = sessions.issue(&of_role("arn:aws:iam::111111111111:role/worker")).unwrap();
    let foreign = verify(&signed_with(&foreign, Some(&foreign.token))).unwrap();
    assert_eq!(foreign.account(), "111111111111");
    assert!(foreign.authorize(&send("sqs:SendMessage")).is_err());

    // The token belongs to the key and the key to the token, and both to the secret.
    let other = sessions.issue(&Session { version: Version::Number(1), ..session.clone() }).unwrap();
    let unknown = |parts: &Parts| assert_eq!(verify(parts).unwrap_err(), Denied::UnknownKey);
    unknown(&signed_with(&issued, None));
    unknown(&signed_with(&issued, Some(&other.token)));
    unknown(&signed_with(&issued, Some("t")));
    let forged = Issued { secret: other.secret.clone(), ..issued.clone() };
    assert!(matches!(verify(&signed_with(&forged, Some(&issued.token))), Err(Denied::Mismatch(_))));
    let without = authenticator(&keys, now());
    assert_eq!(without.verify(&parts, "sqs", &sha256(b"{}"), false).unwrap_err(), Denied::UnknownKey);

    there.0.store(false, Ordering::Relaxed);
    unknown(&parts);
}
