use super::*;
use serde_json::json;

const HOME: &str = "000000000000";
const OTHER: &str = "111122223333";
const F: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const BUCKET: &str = "arn:aws:s3:::bucket";

fn policy(effect: &str, action: &str, resource: &str) -> Policy {
    let statement = json!({ "Effect": effect, "Action": action, "Resource": resource });
    Policy::parse(&json!({ "Statement": statement }).to_string()).unwrap()
}

fn allow(principal: Value, condition: Value) -> Value {
    let mut statement = json!({
        "Sid": "s", "Effect": "Allow", "Principal": principal, "Action": "lambda:InvokeFunction", "Resource": F,
    });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

fn with_context(principal: Principal<'_>, statements: &[Value], context: Context<'_>) -> Verdict {
    let ask = Ask { action: "lambda:InvokeFunction", resource: F, also: &[], owner: HOME, statements, context };
    decide(principal, &ask)
}

fn of_key(account: &str, policy: &Policy, statements: &[Value]) -> Verdict {
    let arn = format!("arn:aws:iam::{account}:user/u");
    with_context(Principal::Key { arn: &arn, role: None, account, policy }, statements, Context::default())
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html>,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html>
#[test]
fn keys_are_judged_by_their_policy_and_the_resource_s() {
    use Kind::{Identity, Resource};
    use Verdict::{Allowed, Denied, NotAllowed};
    let may = policy("Allow", "lambda:*", "*");
    let may_not = policy("Deny", "lambda:Invoke*", "*");
    let says_nothing = policy("Allow", "sqs:*", "*");
    let user = |account: &str| json!({ "AWS": format!("arn:aws:iam::{account}:user/u") });
    let root = |account: &str| json!({ "AWS": format!("arn:aws:iam::{account}:root") });
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "lambda:*", "Resource": F });
    let one = |principal: Value| vec![allow(principal, Value::Null)];
    for (number, account, identity, statements, verdict) in [
        // The key's own account: either policy is enough.
        (1, HOME, &may, vec![], Allowed),
        (2, HOME, &says_nothing, vec![], NotAllowed(Identity)),
        (3, HOME, &says_nothing, one(user(HOME)), Allowed),
        (4, HOME, &says_nothing, one(json!("*")), Allowed),
        (5, HOME, &says_nothing, one(json!({ "AWS": ["x", "*"] })), Allowed),
        // The account as such leaves it to the account's policies.
        (6, HOME, &says_nothing, one(root(HOME)), NotAllowed(Identity)),
        (7, HOME, &may, one(root(HOME)), Allowed),
        (8, HOME, &says_nothing, one(user(OTHER)), NotAllowed(Identity)),
        // A deny wins.
        (9, HOME, &may_not, one(user(HOME)), Denied(Identity)),
        (10, HOME, &may, vec![deny.clone()], Denied(Resource)),
        (11, HOME, &may, vec![allow(user(HOME), Value::Null), deny.clone()], Denied(Resource)),
        // Another account: both have to allow.
        (12, OTHER, &may, vec![], NotAllowed(Resource)),
        (13, OTHER, &may, one(root(OTHER)), Allowed),
        (14, OTHER, &may, one(json!({ "AWS": OTHER })), Allowed),
        (15, OTHER, &may, one(user(OTHER)), Allowed),
        (16, OTHER, &may, one(json!("*")), Allowed),
        (17, OTHER, &may, one(root(HOME)), NotAllowed(Resource)),
        (18, OTHER, &says_nothing, one(user(OTHER)), NotAllowed(Identity)),
        (19, OTHER, &says_nothing, one(json!("*")), NotAllowed(Identity)),
        (20, OTHER, &may_not, one(user(OTHER)), Denied(Identity)),
        (21, OTHER, &may, vec![allow(user(OTHER), Value::Null), deny], Denied(Resource)),
        // A service is nobody's key.
        (22, OTHER, &may, one(json!({ "Service": "s3.amazonaws.com" })), NotAllowed(Resource)),
    ] {
        assert_eq!(of_key(account, identity, &statements), verdict, "case {number}");
    }
}

#[test]
fn a_statement_is_for_its_actions_and_its_resource() {
    let may = policy("Allow", "*", "*");
    let with = |action: &str, resource: &str| {
        let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource });
        of_key(OTHER, &may, &[statement]) == Verdict::Allowed
    };
    assert!(
        with("lambda:InvokeFunction", F) && with("lambda:*", F) && with("*", F) && with("lambda:invokefunction", F)
    );
    assert!(!with("lambda:GetFunction", F) && !with("lambda:InvokeFunctionUrl", F));
    assert!(
        !with("lambda:*", &format!("{F}:live"))
            && !with("lambda:*", "arn:aws:lambda:us-east-1:000000000000:function:g")
    );
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/permissions-function-services.html>
#[test]
fn services_are_judged_by_name_and_source() {
    let asks = |statement: &Value, name: &str, source_arn: Option<&str>, source_account: Option<&str>| {
        let context = Context { source_arn, source_account, ..Context::default() };
        let principal = Principal::Service { name, region: "us-east-1" };
        with_context(principal, std::slice::from_ref(statement), context) == Verdict::Allowed
    };
    let s3 = "s3.amazonaws.com";
    let plain = allow(json!({ "Service": s3 }), Value::Null);
    assert!(asks(&plain, s3, Some(BUCKET), None) && !asks(&plain, "events.amazonaws.com", Some(BUCKET), None));
    let of_bucket = allow(
        json!({ "Service": [s3] }),
        json!({ "StringEquals": { "AWS:SourceAccount": HOME }, "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::buck*" } }),
    );
    assert!(asks(&of_bucket, s3, Some(BUCKET), Some(HOME)));
    assert!(!asks(&of_bucket, s3, Some(BUCKET), Some(OTHER)) && !asks(&of_bucket, s3, Some(BUCKET), None));
    assert!(!asks(&of_bucket, s3, Some("arn:aws:s3:::other"), Some(HOME)) && !asks(&of_bucket, s3, None, Some(HOME)));
    let logs = allow(json!({ "Service": "logs.us-east-1.amazonaws.com" }), Value::Null);
    assert!(asks(&logs, "logs.amazonaws.com", None, None));
    let elsewhere = allow(json!({ "Service": "logs.eu-west-1.amazonaws.com" }), Value::Null);
    assert!(!asks(&elsewhere, "logs.amazonaws.com", None, None));
    assert!(asks(&allow(json!("*"), Value::Null), s3, None, None));
    assert!(!asks(&allow(json!({ "AWS": "*" }), Value::Null), s3, None, None));
}

#[test]
fn wildcards_of_arns_stay_within_their_part() {
    for (pattern, arn, expected) in [
        ("arn:aws:events:us-east-1:000000000000:rule/*", "arn:aws:events:us-east-1:000000000000:rule/a/b:c", true),
        ("arn:aws:events:*:000000000000:rule/a", "arn:aws:events:eu-west-1:000000000000:rule/a", true),
        ("arn:aws:*:rule/a", "arn:aws:events:us-east-1:000000000000:rule/a", false),
        ("arn:aws:s3:::b?", "arn:aws:s3:::bb", true),
        ("arn:aws:s3:::b", "arn:aws:s3:::bb", false),
        ("*", "arn:aws:s3:::b", false),
    ] {
        assert_eq!(arn_matches(pattern, arn), expected, "{pattern} {arn}");
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
#[test]
fn conditions_are_of_the_request() {
    let may = policy("Allow", "*", "*");
    let arn = "arn:aws:iam::111122223333:user/u";
    let key = Principal::Key { arn, role: None, account: OTHER, policy: &may };
    let asks = |principal, condition: Value, context| {
        with_context(principal, &[allow(json!("*"), condition)], context) == Verdict::Allowed
    };
    let url =
        |kind| Context { function_url_auth_type: Some(kind), invoked_via_function_url: true, ..Context::default() };
    let of_kind = |kind: &str| json!({ "StringEquals": { "lambda:FunctionUrlAuthType": kind } });
    let via_url = || json!({ "Bool": { "lambda:InvokedViaFunctionUrl": "true" } });
    assert!(asks(Principal::Anonymous, of_kind("NONE"), url("NONE")));
    assert!(!asks(Principal::Anonymous, of_kind("AWS_IAM"), url("NONE")));
    assert!(!asks(key, of_kind("NONE"), Context::default()));
    assert!(asks(key, via_url(), url("AWS_IAM")) && !asks(key, via_url(), Context::default()));
    let token = || json!({ "StringEquals": { "lambda:EventSourceToken": "t" } });
    let given = |event_source_token| Context { event_source_token, ..Context::default() };
    assert!(asks(key, token(), given(Some("t"))));
    assert!(!asks(key, token(), given(Some("u"))) && !asks(key, token(), given(None)));
    assert!(asks(key, json!({ "StringEquals": { "aws:PrincipalAccount": [HOME, OTHER] } }), Context::default()));
    assert!(asks(key, json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/u" } }), Context::default()));
    // There are no organizations.
    assert!(!asks(key, json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }), Context::default()));
    assert!(!asks(key, json!({ "StringEquals": { "aws:PrincipalOrgID": "" } }), Context::default()));
}

#[test]
fn what_is_not_understood_allows_nothing_and_denies() {
    let may = policy("Allow", "*", "*");
    let unknown = json!({ "NumericLessThan": { "aws:MultiFactorAuthAge": "1" } });
    for statement in [
        allow(json!("*"), unknown.clone()),
        allow(json!("*"), json!("x")),
        json!({ "Effect": "Allow", "NotPrincipal": "x", "Action": "*", "Resource": F }),
        json!({ "Effect": "Allow", "Principal": "*", "NotAction": "x", "Resource": F }),
        json!({ "Effect": "Allow", "Principal": "*", "Action": 1, "Resource": F }),
        json!({ "Effect": "Allow", "Action": "*", "Resource": F }),
        json!("x"),
    ] {
        assert_ne!(of_key(OTHER, &may, std::slice::from_ref(&statement)), Verdict::Allowed, "{statement}");
    }
    for statement in [
        json!({ "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": F, "Condition": unknown }),
        json!({ "Effect": "Deny", "NotPrincipal": "x", "Action": "*", "Resource": F }),
        json!({ "Effect": "Deny", "Principal": "*", "Action": 1, "Resource": F }),
    ] {
        let verdict = of_key(HOME, &may, std::slice::from_ref(&statement));
        assert_eq!(verdict, Verdict::Denied(Kind::Resource), "{statement}");
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-role-session>
#[test]
fn a_function_is_named_by_its_role_and_by_itself() {
    let (role, arn) = ("arn:aws:iam::000000000000:role/path/r", "arn:aws:sts::000000000000:assumed-role/r/f");
    let nothing = Policy::nothing();
    let of = |account: &str, statements: &[Value]| {
        let principal = Principal::Key { arn, role: Some(role), account, policy: &nothing };
        with_context(principal, statements, Context::default())
    };
    let one = |principal: &str| vec![allow(json!({ "AWS": principal }), Value::Null)];
    for named in [role, arn, "*"] {
        assert_eq!(of(HOME, &one(named)), Verdict::Allowed, "{named}");
    }
    for named in ["arn:aws:iam::000000000000:role/r", "arn:aws:sts::000000000000:assumed-role/r/g", HOME] {
        assert_eq!(of(HOME, &one(named)), Verdict::NotAllowed(Kind::Identity), "{named}");
    }
    // Of another account it needs a policy of its own as well.
    assert_eq!(of(OTHER, &one(role)), Verdict::NotAllowed(Kind::Identity));
    let deny = json!({ "Effect": "Deny", "Principal": { "AWS": role }, "Action": "lambda:*", "Resource": F });
    let may = policy("Allow", "lambda:*", "*");
    let principal = Principal::Key { arn, role: Some(role), account: HOME, policy: &may };
    assert_eq!(with_context(principal, &[deny], Context::default()), Verdict::Denied(Kind::Resource));
    let condition = json!({ "ArnEquals": { "aws:PrincipalArn": role } });
    assert_eq!(of(HOME, &[allow(json!("*"), condition)]), Verdict::Allowed);
}
