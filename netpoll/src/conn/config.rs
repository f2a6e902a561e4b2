//! Options in configuration files, by serde: durations and sizes as people write them.
//!
//! ```text
//!   duration   "250ms", "30s", "5m", "1h30m"; "none" where there may be none
//!   size       1048576, "8MiB", "64 KiB", "1GB"
//! ```
//! A file names the options that differ from the defaults. An unknown name is an error that lists those
//! that there are.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};

use super::options::{ConnectionOptions, Keepalive, connection_options};

/// The units of durations with their nanoseconds, longest first.
const TIMES: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The units of sizes with their bytes.
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Splits the number off that `text` begins with.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

/// Reads `1h30m`.
fn duration(mut text: &str) -> Option<Duration> {
    let mut sum: Option<u64> = None;
    while !text.is_empty() {
        let (n, rest) = number(text)?;
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let (_, nanos) = TIMES.iter().find(|(name, _)| *name == unit)?;
        sum = Some(sum.unwrap_or(0).checked_add(n.checked_mul(*nanos)?)?);
        text = rest;
    }
    sum.map(Duration::from_nanos)
}

/// Writes what [`duration`] reads.
fn written(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, nanos) in TIMES {
        if left >= nanos {
            text += &format!("{}{unit}", left / nanos);
            left %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads `8MiB`.
fn size(text: &str) -> Option<usize> {
    let (n, unit) = number(text)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
    usize::try_from(n.checked_mul(*bytes)?).ok()
}

/// A type of options, in the form that it has in a file.
trait Form: Sized {
    /// What is expected, for errors.
    const EXPECTED: &'static str;

    /// Reads the value from text, if that is its form.
    fn from_text(text: &str) -> Option<Self>;

    fn from_number(_: u64) -> Option<Self> {
        None
    }

    fn from_switch(_: bool) -> Option<Self> {
        None
    }

    fn from_nothing() -> Option<Self> {
        None
    }

    fn from_map<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(format_args!("expected {}", Self::EXPECTED)))
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Form for Duration {
    const EXPECTED: &'static str = "a duration such as \"250ms\", \"30s\" or \"1h30m\"";

    fn from_text(text: &str) -> Option<Self> {
        duration(text)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(*self))
    }
}

impl Form for Option<Duration> {
    const EXPECTED: &'static str =
        "a duration such as \"250ms\", \"30s\" or \"1h30m\", or \"none\"";

    fn from_text(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { duration(text).map(Some) }
    }

    fn from_nothing() -> Option<Self> {
        Some(None)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.map_or("none".to_owned(), written))
    }
}

impl Form for usize {
    const EXPECTED: &'static str = "a number of bytes, or a size such as \"64KiB\" or \"8MiB\"";

    fn from_text(text: &str) -> Option<Self> {
        size(text)
    }

    fn from_number(n: u64) -> Option<Self> {
        usize::try_from(n).ok()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(*self as u64)
    }
}

impl Form for u32 {
    const EXPECTED: &'static str = "a number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(n: u64) -> Option<Self> {
        u32::try_from(n).ok()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(*self)
    }
}

impl Form for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_text(_: &str) -> Option<Self> {
        None
    }

    fn from_switch(on: bool) -> Option<Self> {
        Some(on)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl Form for Option<Keepalive> {
    const EXPECTED: &'static str = "a table with idle, interval and count, or \"none\"";

    fn from_text(text: &str) -> Option<Self> {
        (text == "none").then_some(None)
    }

    fn from_nothing() -> Option<Self> {
        Some(None)
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        keepalive(map).map(Some)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(keepalive) => keepalive.serialize(serializer),
            None => serializer.serialize_str("none"),
        }
    }
}

/// A value in its [`Form`].
struct Formed<T>(T);

impl<T: Form> Serialize for Formed<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, T: Form> Deserialize<'de> for Formed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormVisitor(PhantomData)).map(Self)
    }
}

struct FormVisitor<T>(PhantomData<T>);

impl<T: Form> FormVisitor<T> {
    fn found<E: serde::de::Error>(value: Option<T>, found: impl fmt::Display) -> Result<T, E> {
        value.ok_or_else(|| E::custom(format_args!("expected {}, found {found}", T::EXPECTED)))
    }
}

impl<'de, T: Form> Visitor<'de> for FormVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        Self::found(T::from_text(text.trim()), format_args!("{text:?}"))
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<T, E> {
        Self::found(T::from_number(n), n)
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<T, E> {
        Self::found(u64::try_from(n).ok().and_then(T::from_number), n)
    }

    fn visit_bool<E: serde::de::Error>(self, on: bool) -> Result<T, E> {
        Self::found(T::from_switch(on), on)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<T, E> {
        Self::found(T::from_nothing(), "nothing")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<T, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

/// Implements serde's traits for a struct of options by its fields.
macro_rules! fields {
    ($options:ident, $read:ident, $expected:literal; $($name:ident: $type:ty,)*) => {
        fn $read<'de, A: MapAccess<'de>>(mut map: A) -> Result<$options, A::Error> {
            const NAMES: &[&str] = &[$(stringify!($name)),*];
            let (mut options, mut seen) = ($options::default(), Vec::new());
            while let Some(name) = map.next_key::<String>()? {
                let Some(name) = NAMES.iter().find(|known| **known == name) else {
                    return Err(A::Error::unknown_field(&name, NAMES));
                };
                if seen.contains(name) {
                    return Err(A::Error::duplicate_field(name));
                }
                seen.push(*name);
                $(
                    if *name == stringify!($name) {
                        let value = map.next_value::<Formed<$type>>();
                        options.$name = value.map_err(|e| {
                            A::Error::custom(format_args!("{name}: {e}"))
                        })?.0;
                    }
                )*
            }
            Ok(options)
        }

        impl<'de> Deserialize<'de> for $options {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Table;

                impl<'de> Visitor<'de> for Table {
                    type Value = $options;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$options, A::Error> {
                        $read(map)
                    }
                }

                deserializer.deserialize_map(Table)
            }
        }

        impl Serialize for $options {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry(stringify!($name), &Formed(&self.$name))?;)*
                map.end()
            }
        }
    };
}

macro_rules! of_connections {
    ($($name:ident: $type:ty, $takes:ty, $default:expr, $doc:expr;)*) => {
        fields! { ConnectionOptions, connection, "a table of connection options"; $($name: $type,)* }
    };
}

connection_options! { [of_connections] }

fields! { Keepalive, keepalive, "a table of keepalive"; idle: Duration, interval: Duration, count: u32, }

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConnectionOptions, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_names_what_differs_from_the_defaults() {
        let options = read(
            r#"{"idle_timeout": "5m", "read_timeout": "none", "write_timeout": null, "frame_timeout": "1m30s",
                "max_frame": "8MiB", "write_high": 4096, "nodelay": false,
                "keepalive": {"idle": "10s", "count": 3}}"#,
        );
        let keepalive =
            Keepalive { idle: Duration::from_secs(10), count: 3, ..Keepalive::default() };
        let expected = ConnectionOptions::new()
            .idle_timeout(Duration::from_secs(300))
            .read_timeout(None)
            .write_timeout(None)
            .frame_timeout(Duration::from_secs(90))
            .max_frame(8 << 20)
            .write_high(4096)
            .nodelay(false)
            .keepalive(keepalive);
        assert_eq!(options, Ok(expected));
        assert_eq!(read("{}"), Ok(ConnectionOptions::default()));
        assert_eq!(read(r#"{"keepalive": "none"}"#).unwrap().keepalive, None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let options = ConnectionOptions::new()
            .idle_timeout(Duration::from_micros(1_500))
            .user_timeout(Duration::ZERO)
            .keepalive(None);
        let text = serde_json::to_string(&options).unwrap();
        assert!(text.contains(r#""idle_timeout":"1ms500us""#), "{text}");
        assert_eq!(read(&text), Ok(options));
    }

    #[test]
    fn errors_name_the_option_and_what_it_takes() {
        for (text, says) in [
            (r#"{"idle_timeout": 5}"#, "idle_timeout: expected a duration such as \"250ms\""),
            (r#"{"idle_timeout": "5 minutes"}"#, "found \"5 minutes\""),
            (r#"{"idle_timeout": ""}"#, "expected a duration"),
            (r#"{"idle_timeout": "99999999999d"}"#, "expected a duration"),
            (r#"{"max_frame": "8 apples"}"#, "max_frame: expected a number of bytes"),
            (r#"{"max_frame": -1}"#, "found -1"),
            (r#"{"max_frame": "99999999999GiB"}"#, "expected a number of bytes"),
            (r#"{"nodelay": "yes"}"#, "nodelay: expected true or false"),
            (r#"{"keepalive": 5}"#, "keepalive: expected a table with idle, interval and count"),
            (r#"{"keepalive": {"probes": 5}}"#, "unknown field `probes`, expected one of `idle`"),
            (r#"{"idle": "5s"}"#, "unknown field `idle`, expected one of `read_timeout`"),
            (r#"{"nodelay": true, "nodelay": true}"#, "duplicate field `nodelay`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_and_durations() {
        for (text, bytes) in
            [("7", Some(7)), ("64KiB", Some(65_536)), ("2 MB", Some(2_000_000)), ("KiB", None)]
        {
            assert_eq!(size(text), bytes, "{text}");
        }
        for (text, ms) in
            [("250ms", Some(250)), ("1h1s", Some(3_601_000)), ("s", None), ("5", None)]
        {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text}");
        }
    }
}
