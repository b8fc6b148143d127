//! `FunctionName` and `Qualifier`: which function a request is about.

use super::LambdaApi;
use super::constraints::{failed, invalid};
use super::error::not_found;
use crate::ids::{AliasName, FunctionName, FunctionRef, Home, Qualifier};
use crate::wire::codec::Request;
use crate::wire::error::WireError;

const NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?\
                            ([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";

/// Percent-decodes a path's segment; a `+` there is a plus.
pub(super) fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Parses any form of a function's name, and checks that it is one of this home.
pub(super) fn parse(home: &Home, text: &str) -> Result<FunctionRef, WireError> {
    let bad_name =
        || failed(text, "functionName", format!("Member must satisfy regular expression pattern: {NAME_PATTERN}"));
    let target = FunctionRef::parse(text).map_err(|_| bad_name())?;
    let (region, account) = match text.strip_prefix("arn:") {
        Some(arn) => {
            let mut parts = arn.split(':').skip(2);
            (parts.next(), parts.next())
        }
        None => (None, text.split_once(":function:").map(|(account, _)| account)),
    };
    if let Some(region) = region.filter(|region| **region != *home.region) {
        let here = &home.region;
        return Err(not_found(format!("Functions from '{region}' are not reachable in this region ('{here}')")));
    }
    if account.is_some_and(|account| *account != *home.account) {
        return Err(not_found(format!("Function not found: {text}")));
    }
    Ok(target)
}

/// The function of an operation that works on functions as a whole, or on `$LATEST` alone.
pub(super) fn function(api: &LambdaApi, segment: &str) -> Result<FunctionName, WireError> {
    unqualified(parse(api.catalog.home(), &decode(segment))?)
}

/// Refuses a qualifier, but for `$LATEST`, which says nothing.
pub(super) fn unqualified(target: FunctionRef) -> Result<FunctionName, WireError> {
    match target.qualifier {
        None | Some(Qualifier::Version(crate::ids::Version::Latest)) => Ok(target.name),
        Some(qualifier) => Err(invalid(format!(
            "This operation does not take a qualifier; name the function without {qualifier:?}.",
            qualifier = qualifier.to_string()
        ))),
    }
}

/// The function of an operation that takes a qualifier, in its name or as `Qualifier`.
pub(super) fn qualified(api: &LambdaApi, segment: &str, request: &Request) -> Result<FunctionRef, WireError> {
    let mut target = parse(api.catalog.home(), &decode(segment))?;
    let Some(text) = request.query("Qualifier").filter(|text| !text.is_empty()) else { return Ok(target) };
    let qualifier = Qualifier::new(&text).map_err(|_| {
        failed(&text, "qualifier", "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)")
    })?;
    if target.qualifier.as_ref().is_some_and(|derived| *derived != qualifier) {
        return Err(invalid("The derived qualifier from the function name does not match the specified qualifier."));
    }
    target.qualifier = Some(qualifier);
    Ok(target)
}

/// An alias's name in a path.
pub(super) fn alias(segment: &str) -> Result<AliasName, WireError> {
    alias_name(&decode(segment))
}

/// An alias's name.
pub(super) fn alias_name(text: &str) -> Result<AliasName, WireError> {
    AliasName::new(text).map_err(|_| {
        failed(text, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
    })
}
