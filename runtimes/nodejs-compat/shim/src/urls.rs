//! WHATWG URLs: parsing, and the setters that parse a part anew. JavaScript keeps the serialised URL and asks for its parts.

use rquickjs::{Array, Ctx, Object, Result, Value, prelude::Func, prelude::Opt};
use url::{Url, quirks};

/// `[href, origin, protocol, username, password, host, hostname, port, pathname, search, hash]`.
fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Value<'js>> {
    let list = Array::new(ctx.clone())?;
    let origin = quirks::origin(url);
    let values = [
        quirks::href(url),
        &origin,
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    for (index, value) in values.into_iter().enumerate() {
        list.set(index, value)?;
    }
    Ok(list.into_value())
}

/// The parts of `text`, relative to `base` if there is one; undefined if it is no URL.
fn parse<'js>(ctx: Ctx<'js>, text: String, base: Opt<Option<String>>) -> Result<Value<'js>> {
    let base = match base.0.flatten() {
        Some(base) => match Url::parse(&base) {
            Ok(base) => Some(base),
            Err(_) => return Ok(Value::new_undefined(ctx)),
        },
        None => None,
    };
    match Url::options().base_url(base.as_ref()).parse(&text) {
        Ok(url) => parts(&ctx, &url),
        Err(_) => Ok(Value::new_undefined(ctx)),
    }
}

/// The parts of `href` after one of them was set; as they were when the value does not fit.
fn set<'js>(ctx: Ctx<'js>, href: String, part: String, value: String) -> Result<Value<'js>> {
    let Ok(mut url) = Url::parse(&href) else { return Ok(Value::new_undefined(ctx)) };
    // A setter that refuses its value leaves the URL alone, and the standard has nobody told.
    let _ = match part.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => Ok(()),
    };
    parts(&ctx, &url)
}

/// A domain's ASCII form; empty for what is no domain.
fn domain_to_ascii(domain: String) -> String {
    quirks::domain_to_ascii(&domain)
}

fn domain_to_unicode(domain: String) -> String {
    quirks::domain_to_unicode(&domain)
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("urlParse", Func::from(parse))?;
    native.set("urlSet", Func::from(set))?;
    native.set("domainToAscii", Func::from(domain_to_ascii))?;
    native.set("domainToUnicode", Func::from(domain_to_unicode))
}
