use super::*;
use crate::credentials::file::{Sealing, Store};
use crate::credentials::seal::SealingKey;
use crate::credentials::{Config, Policy};
use tempfile::TempDir;

fn session() -> Session {
    Session {
        role: RoleArn::parse("arn:aws:iam::000000000000:role/service/worker").unwrap(),
        function: FunctionName::new("f").unwrap(),
        created_at_ms: 1_700_000_000_000,
        version: Version::Latest,
    }
}

fn fixed(text: &str) -> Sessions {
    let key = SealingKey::parse(&BASE64_STANDARD.encode(text.repeat(32))).unwrap();
    Sessions::open(Store { path: "nowhere".into(), sealing: Sealing::Key(key) }).unwrap()
}

fn encoded(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn a_version_has_the_same_credentials_always_and_no_other_has_them() {
    let issued = fixed("a").issue(&session()).unwrap();
    assert_eq!(issued, fixed("a").issue(&session()).unwrap());
    assert_eq!((issued.access_key_id.len(), issued.secret.len()), (20, 40));
    assert!(issued.access_key_id.starts_with("ASIA"));
    assert!(!format!("{issued:?}").contains(&issued.secret));
    let others = [
        Session { role: RoleArn::parse("arn:aws:iam::000000000000:role/worker").unwrap(), ..session() },
        Session { role: RoleArn::parse("arn:aws:iam::000000000001:role/service/worker").unwrap(), ..session() },
        Session { function: FunctionName::new("g").unwrap(), ..session() },
        Session { created_at_ms: 1_700_000_000_001, ..session() },
        Session { version: Version::Number(1), ..session() },
    ];
    let others = others.map(|other| fixed("a").issue(&other).unwrap()).into_iter();
    for other in others.chain([fixed("b").issue(&session()).unwrap()]) {
        assert_ne!(other.access_key_id, issued.access_key_id);
        assert_ne!(other.secret, issued.secret);
    }
}

#[test]
fn a_token_is_found_with_its_own_id_and_under_its_own_key_only() {
    let here = fixed("a");
    let issued = here.issue(&session()).unwrap();
    assert_eq!(here.find(&issued.token, &issued.access_key_id), Some((session(), issued.clone())));
    assert_eq!(here.find(&issued.token, "ASIAAAAAAAAAAAAAAAAA"), None);
    assert_eq!(fixed("b").find(&issued.token, &issued.access_key_id), None);
    let other = here.issue(&Session { version: Version::Number(1), ..session() }).unwrap();
    assert_eq!(here.find(&other.token, &issued.access_key_id), None);
}

#[test]
fn what_is_no_token_names_nobody() {
    let good = "1\narn:aws:iam::000000000000:role/r\nf\n5\n$LATEST";
    assert!(Session::of_token(&encoded(good)).is_some());
    for text in [
        "",
        "1",
        "2\narn:aws:iam::000000000000:role/r\nf\n5\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nf\n5",
        "1\narn:aws:iam::000000000000:role/r\nf\n5\n$LATEST\n",
        "1\narn:aws:iam::000000000000:role/r\nf\n5\n$LATEST\nmore",
        "1\narn:aws:iam::000000000000:user/r\nf\n5\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nno name\n5\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nf\n+5\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nf\n05\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nf\n99999999999999999999\n$LATEST",
        "1\narn:aws:iam::000000000000:role/r\nf\n5\nlive",
        "1\narn:aws:iam::000000000000:role/r\nf\n5\n01",
    ] {
        assert_eq!(Session::of_token(&encoded(text)), None, "{text:?}");
    }
    for token in
        ["", "=", "é", "AAAA", &format!("{}=", encoded(good)), &"A".repeat(5_000), &encoded(&"1\n".repeat(900))]
    {
        assert_eq!(Session::of_token(token), None, "{token:.20}");
    }
    assert_eq!(Session::of_token(&BASE64_URL_SAFE_NO_PAD.encode([0xff, b'\n', 0xfe])), None);
}

/// A damaged token is none, or names somebody else, whose credentials are other ones.
#[test]
fn damaged_tokens_are_read_without_harm() {
    let here = fixed("a");
    let issued = here.issue(&session()).unwrap();
    for at in 0..issued.token.len() {
        assert_eq!(here.find(&issued.token[..at], &issued.access_key_id), None);
        for byte in 0..=0x7f_u8 {
            let mut damaged = issued.token.clone().into_bytes();
            damaged[at] = byte;
            let damaged = String::from_utf8(damaged).unwrap();
            let found = here.find(&damaged, &issued.access_key_id);
            assert_eq!(found.is_some(), damaged == issued.token, "{damaged}");
        }
    }
}

#[test]
fn the_key_is_made_when_it_is_first_needed_and_kept() {
    let dir = TempDir::new().unwrap();
    let store = Config::default().store(dir.path());
    let key_file = dir.path().join("credentials.key");
    let sessions = Sessions::open(store.clone()).unwrap();
    assert_eq!(sessions.find("", ""), None);
    assert!(!key_file.exists());
    let issued = sessions.issue(&session()).unwrap();
    assert!(key_file.exists());
    let again = Sessions::open(store.clone()).unwrap();
    assert!(again.find(&issued.token, &issued.access_key_id).is_some());
    assert_eq!(again.issue(&session()).unwrap(), issued);
    let everything = Policy::allowing(&["*"], &["*".to_owned()]);
    // Secrets that were sealed with a key that is lost want that one, not a new one.
    store.create("ci", "000000000000", everything, jiff::Timestamp::UNIX_EPOCH).unwrap();
    std::fs::remove_file(&key_file).unwrap();
    assert!(Sessions::open(store).unwrap().issue(&session()).unwrap_err().to_string().contains("is missing"));
}

#[test]
fn who_it_is_reads_as_on_aws() {
    assert_eq!(session().arn(), "arn:aws:sts::000000000000:assumed-role/worker/f");
    let user_id = session().user_id();
    assert!(user_id.starts_with("AROA") && user_id.ends_with(":f") && user_id.len() == 21 + 2, "{user_id}");
}
