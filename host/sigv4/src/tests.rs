//! AWS's published test vectors (the aws-signing-test-suite of aws-c-auth), and what must not pass.

use super::*;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use jiff::Timestamp;
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request of the suite: method, path and query, headers, all but the host.
fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(method.as_bytes()).unwrap();
    parts.uri = target.parse().unwrap();
    for (name, value) in [("host", "example.amazonaws.com")].iter().chain(headers) {
        parts.headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    parts
}

/// As in the suite: signed at 12:36 with `SignedHeaders`.
fn signed(target: &str, headers: &[(&str, &str)], names: &str, signature: &str) -> Parts {
    signed_by("GET", target, headers, names, signature)
}

fn signed_by(method: &str, target: &str, headers: &[(&str, &str)], names: &str, signature: &str) -> Parts {
    let mut parts = request(method, target, headers);
    parts.headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, Signature={signature}"
    );
    parts.headers.insert("authorization", HeaderValue::try_from(value).unwrap());
    parts
}

fn claim(parts: &Parts) -> Claim {
    Claim::read(parts).unwrap().unwrap()
}

fn verifies(parts: &Parts, body: &[u8]) -> bool {
    claim(parts).verify(parts, SECRET, &sha256(body)).is_ok()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn published_vectors_with_a_header_verify() {
    for (target, signature) in [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        ("//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        (
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=\
             -._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
    ] {
        assert!(verifies(&signed(target, &[], "host;x-amz-date", signature), b""), "{target}");
    }
    let trimmed = [("my-header1", " value1"), ("my-header2", " \"a   b   c\"")];
    let signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736";
    assert!(verifies(&signed("/", &trimmed, "host;my-header1;my-header2;x-amz-date", signature), b""));
    let ordered =
        [("my-header1", "value4"), ("my-header1", "value1"), ("my-header1", "value3"), ("my-header1", "value2")];
    let signature = "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01";
    assert!(verifies(&signed("/", &ordered, "host;my-header1;x-amz-date", signature), b""));
}

#[test]
fn a_published_vector_with_a_body_verifies_and_another_body_does_not() {
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", "13"),
        ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
    ];
    let names = "content-length;content-type;host;x-amz-content-sha256;x-amz-date";
    let signature = "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b";
    let parts = signed_by("POST", "/", &headers, names, signature);
    assert!(verifies(&parts, b"Param1=value1"));
    assert!(!verifies(&parts, b"Param1=value2"));
}

#[test]
fn published_vectors_in_the_query_verify() {
    let query = |more: &str, names: &str, signature: &str| {
        format!(
            "/?{more}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
             &X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders={names}&X-Amz-Expires=3600&X-Amz-Signature={signature}"
        )
    };
    let target = query("ሴ=bar&", "host", "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600");
    let parts = request("GET", &target, &[]);
    assert!(verifies(&parts, b""));
    assert_eq!(claim(&parts).placement, Placement::Query { expires_s: 3600 });
    let duplicate = [("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")];
    let target = query("", "host%3Bmy-header1", "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97");
    assert!(verifies(&request("GET", &target, &duplicate), b""));
    assert!(!verifies(&request("POST", &target, &duplicate), b""));
}

fn sample() -> Parts {
    let mut parts =
        request("POST", "/2015-03-31/functions/f/invocations?Qualifier=live", &[("x-amz-log-type", "Tail")]);
    let signer = Signer { access_key_id: "AKIDEXAMPLE", secret: SECRET, region: "eu-west-1", service: "lambda" };
    signer.sign(&mut parts, &sha256(b"{}"), at("2026-01-01T12:00:00Z")).unwrap();
    parts
}

#[test]
fn what_is_signed_here_verifies_here_and_nothing_else_does() {
    assert!(verifies(&sample(), b"{}"));
    assert!(!verifies(&sample(), b"{ }"));
    assert!(claim(&sample()).verify(&sample(), "another secret", &sha256(b"{}")).is_err());
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = sample();
        change(&mut parts);
        verifies(&parts, b"{}")
    };
    assert!(changed(&|_| {}));
    assert!(!changed(&|parts| parts.method = Method::PUT));
    assert!(!changed(&|parts| parts.uri = "/2015-03-31/functions/g/invocations?Qualifier=live".parse().unwrap()));
    assert!(!changed(&|parts| parts.uri = "/2015-03-31/functions/f/invocations?Qualifier=dead".parse().unwrap()));
    assert!(!changed(&|parts| parts.uri = "/2015-03-31/functions/f/invocations".parse().unwrap()));
    for (name, value) in [("host", "other"), ("x-amz-log-type", "None"), ("x-amz-date", "20260101T120001Z")] {
        assert!(!changed(&|parts| drop(parts.headers.insert(name, HeaderValue::from_static(value)))), "{name}");
    }
    // A header that was signed and is gone.
    assert!(!changed(&|parts| drop(parts.headers.remove("x-amz-log-type"))));
}

#[test]
fn a_plus_and_an_encoded_space_are_one_and_an_encoded_plus_is_another() {
    let with = |query: &str| {
        let mut parts = request("GET", &format!("/?a={query}"), &[]);
        parts.headers.insert("x-amz-date", HeaderValue::from_static("20260101T120000Z"));
        canonical::request(&parts, &["host".to_owned()], None, "").unwrap()
    };
    assert_eq!(with("b+c"), with("b%20c"));
    assert_ne!(with("b+c"), with("b%2Bc"));
}

#[test]
fn time_and_scope_have_bounds() {
    let claim = claim(&sample());
    assert_eq!(claim.check_time(at("2026-01-01T12:15:00Z")), Ok(()));
    assert_eq!(claim.check_time(at("2026-01-01T11:45:00Z")), Ok(()));
    let late = claim.check_time(at("2026-01-01T12:15:01Z")).unwrap_err();
    assert_eq!(
        late.to_string(),
        "Signature expired: 20260101T120000Z is now earlier than 20260101T120001Z (20260101T121501Z - 15 min.)"
    );
    assert!(matches!(claim.check_time(at("2026-01-01T11:44:59Z")), Err(Stale::Future { .. })));
    let mut presigned = claim.clone();
    presigned.placement = Placement::Query { expires_s: 60 };
    assert_eq!(presigned.check_time(at("2026-01-01T12:01:00Z")), Ok(()));
    assert!(matches!(presigned.check_time(at("2026-01-01T12:01:01Z")), Err(Stale::Expired { .. })));
    assert_eq!(claim.check_scope("eu-west-1", "lambda"), Ok(()));
    assert_eq!(claim.check_scope("us-east-1", "lambda"), Err(OutOfScope::Region("us-east-1".into())));
    assert_eq!(claim.check_scope("eu-west-1", "sqs"), Err(OutOfScope::Service("sqs".into())));
}

#[test]
fn what_is_not_in_order_is_refused_with_what_is_wrong() {
    let with = |change: &dyn Fn(&mut Parts)| {
        let mut parts = sample();
        change(&mut parts);
        match Claim::read(&parts) {
            Err(Malformed(message)) => message,
            Ok(claim) => panic!("{claim:?}"),
        }
    };
    let header = |value: &str| with(&|parts| drop(parts.headers.insert("authorization", value.parse().unwrap())));
    for (value, says) in [
        ("AWS4-HMAC-SHA256", "'Credential'"),
        ("Bearer x", "algorithm"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "algorithm"),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, Signature=1", "'SignedHeaders'"),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host", "'Signature'"),
        ("AWS4-HMAC-SHA256 Credential=a, Credential=a", "twice"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1", "5 slash-delimited"),
        ("AWS4-HMAC-SHA256 Credential=a/20260102/r/s/aws4_request, SignedHeaders=host, Signature=1", "does not match"),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws5, SignedHeaders=host, Signature=1", "terminator"),
        ("AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=1", "64"),
    ] {
        let message = header(value);
        assert!(message.contains(says), "{value}: {message}");
    }
    let digits = "0".repeat(64);
    for (names, says) in [("x-amz-date", "'Host'"), ("x-amz-date;host", "sorted"), ("Host;x-amz-date", "lower case")] {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders={names}, Signature={digits}"
        );
        assert!(header(&value).contains(says), "{names}");
    }
    // What AWS's headers say has to be signed.
    let unsigned =
        with(&|parts| drop(parts.headers.insert("x-amz-invocation-type", HeaderValue::from_static("Event"))));
    assert!(unsigned.contains("'x-amz-invocation-type' must be a 'SignedHeader'"));
    assert!(
        with(&|parts| assert!(parts.headers.append("authorization", HeaderValue::from_static("x"))))
            .contains("more than one")
    );
    assert!(with(&|parts| parts.uri = "/?X-Amz-Signature=a".parse().unwrap()).contains("both"));
    assert!(with(&|parts| drop(parts.headers.remove("x-amz-date"))).contains("X-Amz-Date"));
    assert_eq!(Claim::read(&request("GET", "/?a=b", &[])), Ok(None));
}

#[test]
fn presigned_urls_need_all_their_parameters() {
    let all = [
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential=a%2F20150830%2Fus-east-1%2Fservice%2Faws4_request",
        "X-Amz-Date=20150830T123600Z",
        "X-Amz-SignedHeaders=host",
        "X-Amz-Expires=604800",
        "X-Amz-Signature=0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
    ];
    let read = |pairs: &[&str]| Claim::read(&request("GET", &format!("/?{}", pairs.join("&")), &[]));
    assert!(read(&all).is_ok());
    for index in 0..all.len() {
        let mut some = all.to_vec();
        some.remove(index);
        assert!(read(&some).is_err(), "{}", all[index]);
        let mut twice = all.to_vec();
        twice.push(all[index]);
        assert!(read(&twice).is_err(), "{} twice", all[index]);
    }
    for expires in ["0", "604801", "-1", "x", ""] {
        let expires = format!("X-Amz-Expires={expires}");
        let mut some = all.to_vec();
        some[4] = &expires;
        assert!(read(&some).is_err(), "{expires}");
    }
}

#[test]
fn unsigned_and_streamed_payloads_are_told_apart() {
    let parts = |payload: &'static str| {
        let mut parts = request("POST", "/", &[("x-amz-content-sha256", payload)]);
        let signer = Signer { access_key_id: "a", secret: SECRET, region: "r", service: "s" };
        signer.sign(&mut parts, &sha256(b""), at("2026-01-01T12:00:00Z")).unwrap();
        parts
    };
    assert!(claim(&parts(UNSIGNED_PAYLOAD)).leaves_body_unsigned());
    assert!(Claim::read(&parts("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")).is_err());
}

proptest! {
    /// Whatever stands in the header, reading and verifying end with an answer, and never with a yes.
    #[test]
    fn nothing_made_up_verifies(value in "(AWS4-HMAC-SHA256 )?([A-Za-z]{0,12}=[!-~]{0,80},? ?){0,5}", target in "/[!-~]{0,40}") {
        let (mut parts, ()) = Request::new(()).into_parts();
        if let Ok(uri) = target.parse() {
            parts.uri = uri;
        }
        if let Ok(value) = HeaderValue::try_from(value) {
            parts.headers.insert("authorization", value);
        }
        if let Ok(Some(claim)) = Claim::read(&parts) {
            prop_assert!(claim.verify(&parts, SECRET, &sha256(b"")).is_err());
        }
    }
}
