//! Names and ARNs of layers.

use crate::ids::{Home, LayerName};
use crate::wire::error::WireError;
use crate::wire::lambda::constraints::{failed, invalid};
use crate::wire::lambda::error::not_found;

const NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:\
                            [a-zA-Z0-9-_]{1,140}|[a-zA-Z0-9-_]{1,140})";

const VERSION_PATTERN: &str = "((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:layer:\
                               [a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))";

fn pattern(text: &str, member: &str, pattern: &str) -> WireError {
    failed(text, member, format!("Member must satisfy regular expression pattern: {pattern}"))
}

/// Percent-decodes a path's segment.
pub(super) fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Region, account, and what stands behind `layer:`.
fn split_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(7, ':');
    let head = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = head.0 == "arn" && head.1.starts_with("aws") && head.2 == "lambda" && kind == "layer";
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (whole && digits && !region.is_empty()).then_some(())?;
    Some((region, account, parts.next()?))
}

fn is_home(home: &Home, region: &str, account: &str) -> bool {
    *region == *home.region && *account == *home.account
}

/// The layer that a path's segment names, by its name or ARN.
pub(super) fn layer(home: &Home, segment: &str) -> Result<LayerName, WireError> {
    let text = decode(segment);
    let refuse = || pattern(&text, "layerName", NAME_PATTERN);
    if !text.starts_with("arn:") {
        return LayerName::new(&text).map_err(|_| refuse());
    }
    let (region, account, name) = split_arn(&text).ok_or_else(refuse)?;
    let name = LayerName::new(name).map_err(|_| refuse())?;
    if !is_home(home, region, account) {
        return Err(not_found("The resource you requested does not exist.".to_owned()));
    }
    Ok(name)
}

/// A version's number in a path.
pub(super) fn version(segment: &str) -> Result<u64, WireError> {
    let text = decode(segment);
    match text.parse::<i64>() {
        Ok(number) if number >= 1 => Ok(number.unsigned_abs()),
        Ok(number) => Err(failed(number, "versionNumber", "Member must have value greater than or equal to 1")),
        Err(_) => Err(invalid(format!("{text:?} is not a number at 'versionNumber'"))),
    }
}

/// The layer version that an ARN names; `member` is where it stands in the request.
pub(in crate::wire) fn version_arn(home: &Home, arn: &str, member: &str) -> Result<(LayerName, u64), WireError> {
    let refuse = || pattern(arn, member, VERSION_PATTERN);
    let (region, account, rest) = split_arn(arn).ok_or_else(refuse)?;
    let (name, version) = rest.split_once(':').ok_or_else(refuse)?;
    let name = LayerName::new(name).map_err(|_| refuse())?;
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let version = version.parse().map_err(|_| invalid(format!("Layer version {arn} does not exist.")))?;
    if *region != *home.region {
        return Err(invalid(format!(
            "Layers are not in the same region as the function. Layers are expected to be in region {}.",
            home.region
        )));
    }
    if !is_home(home, region, account) {
        return Err(invalid(format!("Layer version {arn} does not exist.")));
    }
    Ok((name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_of_this_home_are_read() {
        let home = Home::default();
        let name = LayerName::new("a-b_1").unwrap();
        assert_eq!(layer(&home, "a-b_1").unwrap(), name);
        assert_eq!(layer(&home, "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Alayer%3Aa-b_1").unwrap(), name);
        let arn = home.layer_arn(&name, Some(12));
        assert_eq!(version_arn(&home, &arn, "arn").unwrap(), (name, 12));
    }

    #[test]
    fn others_are_refused() {
        let home = Home::default();
        let long = "x".repeat(141);
        for text in ["", "a b", "a:1", "arn:aws:lambda:us-east-1:1:layer:a", "arn:aws:s3:::b", long.as_str()] {
            assert_eq!(layer(&home, text).unwrap_err().code, "ValidationException", "{text}");
        }
        assert_eq!(layer(&home, "arn:aws:lambda:us-east-1:111111111111:layer:a").unwrap_err().status, 404);
        for arn in
            ["a:1", "arn:aws:lambda:us-east-1:000000000000:layer:a", "arn:aws:lambda:us-east-1:000000000000:layer:a:x"]
        {
            assert_eq!(version_arn(&home, arn, "arn").unwrap_err().code, "ValidationException", "{arn}");
        }
        for arn in
            ["arn:aws:lambda:eu-west-1:000000000000:layer:a:1", "arn:aws:lambda:us-east-1:111111111111:layer:a:1"]
        {
            assert_eq!(version_arn(&home, arn, "arn").unwrap_err().code, "InvalidParameterValueException", "{arn}");
        }
    }
}
