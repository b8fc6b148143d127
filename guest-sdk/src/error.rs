//! The error a function answers with.
//!
//! Holds what Lambda's error document holds: a type, a message, a stack trace. Anything that is a
//! `std::error::Error`, a string, or a boxed or `anyhow` error converts with `?` or `.into()`.
//! It is not a `std::error::Error` itself; that is what makes the conversion from all others possible.

use std::{any, error::Error as StdError, fmt};

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Why an invocation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    error_type: String,
    message: String,
    stack_trace: Vec<String>,
}

/// The type of an error that is only a message.
const UNTYPED: &str = "Error";

impl Error {
    /// `errorType` of an event that does not deserialise into the handler's event type.
    pub const UNMARSHAL: &'static str = "Runtime.UnmarshalError";
    /// `errorType` of a result that does not serialise.
    pub const MARSHAL: &'static str = "Runtime.MarshalError";

    /// An error with a type of the function's own choosing, which callers and state machines match on.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into(), stack_trace: Vec::new() }
    }

    /// The same failure under another `errorType`.
    #[must_use]
    pub fn with_type(mut self, error_type: impl Into<String>) -> Self {
        self.error_type = error_type.into();
        self
    }

    /// The same failure, told as a consequence: `message` comes first, the old message joins the trace.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let cause = std::mem::replace(&mut self.message, message.into());
        self.stack_trace.insert(0, caused_by(&cause));
        self
    }

    /// `errorType`: for a converted error its Rust type, for a plain message `Error`.
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// `errorMessage`.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `stackTrace`: the chain of causes, nearest first.
    pub fn stack_trace(&self) -> &[String] {
        &self.stack_trace
    }

    /// Lambda's error document: `{"errorType":…,"errorMessage":…,"stackTrace":[…]}`.
    pub fn to_json(&self) -> String {
        // Strings alone always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (String, String, Vec<String>) {
        (self.error_type, self.message, self.stack_trace)
    }
}

impl<T> From<T> for Error
where
    T: Into<Box<dyn StdError + Send + Sync>>,
{
    fn from(error: T) -> Self {
        let error_type = type_of::<T>();
        let error = error.into();
        let mut stack_trace = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            stack_trace.push(caused_by(error));
            cause = error.source();
        }
        Self { error_type, message: error.to_string(), stack_trace }
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Error", 3)?;
        document.serialize_field("errorType", &self.error_type)?;
        document.serialize_field("errorMessage", &self.message)?;
        document.serialize_field("stackTrace", &self.stack_trace)?;
        document.end()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)?;
        self.stack_trace.iter().try_for_each(|line| write!(f, "; {line}"))
    }
}

fn caused_by(cause: impl fmt::Display) -> String {
    format!("caused by: {cause}")
}

/// Strings and boxes say nothing about what went wrong, so their names are not passed on.
fn type_of<T>() -> String {
    let name = any::type_name::<T>();
    let anonymous = ["&", "alloc::string::", "alloc::borrow::", "alloc::boxed::", "anyhow::"];
    if anonymous.iter().any(|prefix| name.starts_with(prefix)) { UNTYPED } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no such order")
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    fn fails() -> Result<(), Error> {
        Err(Outer("x".parse::<u8>().unwrap_err()))?
    }

    #[test]
    fn a_converted_error_keeps_its_type_and_causes() {
        let error = fails().unwrap_err();
        assert!(error.error_type().ends_with("Outer"), "{}", error.error_type());
        assert_eq!(error.message(), "no such order");
        assert_eq!(error.stack_trace(), ["caused by: invalid digit found in string"]);
        assert_eq!(
            error.context("order 7").stack_trace(),
            ["caused by: no such order", "caused by: invalid digit found in string"]
        );
    }

    #[test]
    fn strings_and_boxes_convert() {
        let boxed: Box<dyn StdError + Send + Sync> = "boxed".into();
        for error in [Error::from("text"), Error::from(String::from("text")), Error::from(boxed)] {
            assert_eq!(error.error_type(), "Error");
        }
        assert_eq!(Error::from("text").with_type("Denied").to_string(), "Denied: text");
    }

    #[test]
    fn the_document_is_lambdas() {
        let document: serde_json::Value = serde_json::from_str(&Error::new("Denied", "no \"way\"").to_json()).unwrap();
        assert_eq!(
            document,
            serde_json::json!({"errorType": "Denied", "errorMessage": "no \"way\"", "stackTrace": []})
        );
    }
}
