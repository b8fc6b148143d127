//! Errors in XML, for the protocols of old.

use super::Shape;
use uuid::Uuid;

/// An error document. Clients of the query protocol do not look at the namespace.
pub(super) fn error(shape: Shape, code: &str, message: &str, is_ours: bool) -> String {
    let (code, message) = (escape(code), escape(message));
    let id = Uuid::new_v4();
    match shape {
        Shape::Ec2 => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>\
             </Error></Errors><RequestID>{id}</RequestID></Response>"
        ),
        Shape::RestXml => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
             <RequestId>{id}</RequestId></Error>"
        ),
        _ => {
            let kind = if is_ours { "Receiver" } else { "Sender" };
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>{kind}</Type>\n    \
                 <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  <RequestId>{id}</RequestId>\n</ErrorResponse>\n"
            )
        }
    }
}

/// Text as the content of an element; what XML cannot carry becomes U+FFFD.
pub(in crate::wire) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cannot_break_out_of_their_element() {
        let document = error(Shape::Query, "C", "</Message><x a=\"&\u{0}\">", false);
        assert!(document.contains("<Message>&lt;/Message&gt;&lt;x a=&quot;&amp;\u{fffd}&quot;&gt;</Message>"));
        assert!(document.contains("<Type>Sender</Type>") && error(Shape::Query, "C", "", true).contains("Receiver"));
        assert!(error(Shape::Ec2, "C", "m", false).contains("<Errors><Error><Code>C</Code><Message>m</Message>"));
    }
}
