//! `GetCallerIdentity` (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>): needs no permission.
//!
//! While signatures are not required the caller is the account's root user: nothing is closed to it.

use crate::credentials::Caller;
use crate::ids::Home;
use crate::wire::codec::{self, Answer, Request};
use crate::wire::error::{WireError, xml};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

pub(super) fn handle(home: &Home, request: &Request) -> Result<Answer, WireError> {
    let (arn, user_id, account) = match request.parts.extensions.get::<Caller>() {
        Some(caller) => (caller.arn(), caller.user_id(), caller.account().to_owned()),
        None => (format!("arn:aws:iam::{}:root", home.account), home.account.to_string(), home.account.to_string()),
    };
    let id = request.parts.extensions.get::<Uuid>().copied().unwrap_or_else(Uuid::new_v4).to_string();
    if request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        let answer = json!({
            "GetCallerIdentityResponse": {
                "GetCallerIdentityResult": { "Account": account, "Arn": arn, "UserId": user_id },
                "ResponseMetadata": { "RequestId": id },
            }
        });
        return codec::json(StatusCode::OK, &answer);
    }
    let document = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <GetCallerIdentityResult>\n    \
         <Arn>{}</Arn>\n    <UserId>{}</UserId>\n    <Account>{}</Account>\n  </GetCallerIdentityResult>\n  \
         <ResponseMetadata>\n    <RequestId>{id}</RequestId>\n  </ResponseMetadata>\n</GetCallerIdentityResponse>\n",
        xml::escape(&arn),
        xml::escape(&user_id),
        xml::escape(&account),
    );
    Ok(codec::text(StatusCode::OK, "text/xml", document))
}
