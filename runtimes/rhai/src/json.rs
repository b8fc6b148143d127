//! JSON to Rhai's values and back.
//!
//! Numbers without a fraction become integers where 64 bits hold them, all others floats. Maps are sorted by key. What JSON does not have
//! (functions, times, blobs, NaN) is refused, not guessed at.

use rhai::{Array, Dynamic, Map};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use std::fmt;

/// How deep a value that is written may nest, as deep as one that is read. Closures can make values that contain themselves.
const DEPTH_LIMIT: u32 = 127;

/// The value of a JSON text, or what is wrong with it.
pub(crate) fn read(text: &[u8]) -> Result<Dynamic, serde_json::Error> {
    serde_json::from_slice::<Read>(text).map(|Read(value)| value)
}

/// The JSON text of a value, or why it has none.
pub(crate) fn write(value: &Dynamic) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Write { value, depth: 0 })
}

struct Read(Dynamic);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Dynamic;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Dynamic, E> {
        Ok(Dynamic::UNIT)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Dynamic, E> {
        Ok(i64::try_from(value).map_or_else(|_| (value as f64).into(), Dynamic::from))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Dynamic, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Dynamic, A::Error> {
        let mut array = Array::new();
        while let Some(Read(value)) = from.next_element()? {
            array.push(value);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Dynamic, A::Error> {
        let mut map = Map::new();
        while let Some((name, Read(value))) = from.next_entry::<String, Read>()? {
            map.insert(name.into(), value);
        }
        Ok(map.into())
    }
}

struct Write<'a> {
    value: &'a Dynamic,
    depth: u32,
}

impl Serialize for Write<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { value, depth } = *self;
        if depth > DEPTH_LIMIT {
            return Err(S::Error::custom(format!("the value nests deeper than {DEPTH_LIMIT}")));
        }
        let inside = |value| Write { value, depth: depth + 1 };
        if value.is_unit() {
            to.serialize_unit()
        } else if let Ok(value) = value.as_bool() {
            to.serialize_bool(value)
        } else if let Ok(value) = value.as_int() {
            to.serialize_i64(value)
        } else if let Ok(value) = value.as_float() {
            if value.is_finite() {
                to.serialize_f64(value)
            } else {
                Err(S::Error::custom(format!("{value} is not in JSON")))
            }
        } else if let Ok(value) = value.as_immutable_string_ref() {
            to.serialize_str(&value)
        } else if let Ok(value) = value.as_char() {
            to.serialize_char(value)
        } else if let Ok(array) = value.as_array_ref() {
            to.collect_seq(array.iter().map(inside))
        } else if let Ok(map) = value.as_map_ref() {
            to.collect_map(map.iter().map(|(name, value)| (name.as_str(), inside(value))))
        } else {
            Err(S::Error::custom(format!("a value of type {} is not in JSON", value.type_name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for text in [
            "null",
            "true",
            "-9223372036854775808",
            "9223372036854775807",
            "1.5",
            "1e+300",
            r#""a \"b\" é \u0000""#,
            "[1,[2,[]],{}]",
            r#"{"a":{"b":null},"c":[false]}"#,
        ] {
            assert_eq!(String::from_utf8(write(&read(text.as_bytes()).unwrap()).unwrap()).unwrap(), text);
        }
        assert_eq!(write(&read(b"9223372036854775808").unwrap()).unwrap(), b"9.223372036854776e+18");
        assert_eq!(write(&read(br#"{"b":1,"a":2,"b":3}"#).unwrap()).unwrap(), br#"{"a":2,"b":3}"#);
        assert_eq!(write(&'c'.into()).unwrap(), b"\"c\"");
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "[1,]", "nul", "1 2", &"[".repeat(200), "\"\u{1}\""] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"\"\xff\"").is_err());
        assert_eq!(write(&f64::NAN.into()).unwrap_err().to_string(), "NaN is not in JSON");
        assert!(write(&Dynamic::from_blob(vec![1])).unwrap_err().to_string().contains("blob"));
        let nested = (0..200).fold(Dynamic::UNIT, |value, _| Dynamic::from_array(vec![value]));
        assert!(write(&nested).unwrap_err().to_string().contains("nests deeper"));
    }
}
