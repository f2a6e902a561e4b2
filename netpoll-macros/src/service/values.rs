//! Values of options: durations, addresses.

use syn::{Lit, LitStr, parse::ParseStream};

use crate::errors::Errors;

/// Reads a duration: the milliseconds of `"250ms"`, `"2s"`, `"5m"` or `"1h"`.
pub(crate) fn duration(input: ParseStream<'_>, errors: &Errors) -> syn::Result<Option<u64>> {
    Ok(match input.parse::<Lit>()? {
        Lit::Str(text) => milliseconds(&text, errors),
        Lit::Int(number) => {
            let help = format!("write `\"{number}s\"`; the units are `ms`, `s`, `m` and `h`");
            errors.at(&number, "a duration without a unit", help);
            None
        }
        other => {
            errors.at(other, "this is no duration", "write a number and a unit: `\"2s\"`");
            None
        }
    })
}

fn milliseconds(text: &LitStr, errors: &Errors) -> Option<u64> {
    let value = text.value();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => {
            errors.at(text, "a duration without a unit", "write `ms`, `s`, `m` or `h` after it");
            return None;
        }
        _ => {
            let help = "the units are `ms`, `s`, `m` and `h`, as in `\"250ms\"`";
            errors.at(text, format!("unknown unit `{unit}`"), help);
            return None;
        }
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(0) => errors.at(text, "a timeout of nothing", "leave it out, or give it some time"),
        Some(ms) => return Some(ms),
        None => errors.at(text, "this is no duration", "write a number and a unit: `\"2s\"`"),
    }
    None
}

/// Returns whether it is an address to listen on.
pub(super) fn listen(text: &LitStr, errors: &Errors) -> bool {
    let value = text.value();
    let fine = match value.strip_prefix("unix:") {
        Some(path) => !path.is_empty(),
        None => value
            .strip_prefix("tcp://")
            .or_else(|| value.strip_prefix("udp://"))
            .unwrap_or(&value)
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
    };
    if !fine {
        let help = "write `\"host:port\"`, `\"[ipv6]:port\"` or `\"unix:/path\"`";
        errors.at(text, format!("`{value}` is no address to listen on"), help);
    }
    fine
}
