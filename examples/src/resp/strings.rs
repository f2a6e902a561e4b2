//! Commands on strings.

use super::{
    call::Call,
    expiry::{self, Unit},
    fault::{Fault, Outcome},
    number::Digits,
    value::{Kind, Text, Value},
};

pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    match call.keys.find::<Text>(call.args[1])? {
        Some(Text::Bytes(bytes)) => call.reply.bulk_shared(bytes)?,
        Some(Text::Int(n)) => call.reply.bulk(Digits::default().of(*n))?,
        None => call.reply.null()?,
    }
    Ok(())
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let options = SetOptions::parse(call)?;
    let deadline = match options.expire {
        Some((unit, at)) => Some(expiry::deadline(call, unit, at, "set")?),
        None if options.keep_ttl => call.keys.entry(key).and_then(|entry| entry.deadline()),
        None => None,
    };
    // The old value is answered before it is replaced, once it is sure to be of the right kind.
    if options.get {
        call.keys.find::<Text>(key)?;
    }
    let exists = options.only_if.is_some() && call.keys.entry(key).is_some();
    let refused = options.only_if.is_some_and(|wanted| wanted != exists);
    if options.get {
        get(call)?;
    } else if refused {
        call.reply.null()?;
    } else {
        call.reply.ok()?;
    }
    if !refused {
        let value = Text::Bytes(call.args.to_bytes(2));
        call.keys.put(key, value.into_value(), deadline);
    }
    Ok(())
}

/// What follows the value in `SET`.
#[derive(Default)]
struct SetOptions {
    /// Whether the key must exist (`XX`) or must not (`NX`).
    only_if: Option<bool>,
    get: bool,
    keep_ttl: bool,
    /// The unit, and which argument has the time.
    expire: Option<(Unit, usize)>,
}

impl SetOptions {
    fn parse(call: &Call<'_>) -> Outcome<Self> {
        let mut options = Self::default();
        let mut i = 3;
        while let Some(word) = call.args.get(i) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("NX") && options.only_if != Some(true) {
                options.only_if = Some(false);
            } else if is("XX") && options.only_if != Some(false) {
                options.only_if = Some(true);
            } else if is("GET") {
                options.get = true;
            } else if is("KEEPTTL") && options.expire.is_none() {
                options.keep_ttl = true;
            } else if let Some(unit) = Unit::of_option(word)
                && !options.keep_ttl
                && options.expire.is_none()
                && i + 1 < call.args.len()
            {
                i += 1;
                options.expire = Some((unit, i));
            } else {
                return Err(Fault::SYNTAX);
            }
            i += 1;
        }
        Ok(options)
    }
}

pub(super) fn mget(call: &mut Call<'_>) -> Outcome {
    call.reply.array(call.args.len() - 1)?;
    for key in &call.args[1..] {
        match call.keys.entry(key).map(|entry| &entry.value) {
            Some(Value::Text(Text::Bytes(bytes))) => call.reply.bulk_shared(bytes)?,
            Some(Value::Text(Text::Int(n))) => call.reply.bulk(Digits::default().of(*n))?,
            _ => call.reply.null()?,
        }
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.len().is_multiple_of(2) {
        return Err(Fault::arity("mset"));
    }
    for i in (1..args.len()).step_by(2) {
        call.keys.put(args[i], Text::Bytes(args.to_bytes(i + 1)).into_value(), None);
    }
    Ok(call.reply.ok()?)
}

pub(super) fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Outcome {
    let n = call.int(2)?;
    add(call, n)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Outcome {
    let n = call.int(2)?;
    add(call, n.checked_neg().ok_or(Fault::text("ERR decrement would overflow"))?)
}

/// Adds `n` to the key's counter, which begins at 0.
fn add(call: &mut Call<'_>, n: i64) -> Outcome {
    let key = call.args[1];
    let sum = match call.keys.find::<Text>(key)? {
        Some(text) => {
            let old = text.as_int().ok_or(Fault::NOT_AN_INTEGER)?;
            let sum = old.checked_add(n).ok_or(OVERFLOW)?;
            *text = Text::Int(sum);
            sum
        }
        None => {
            call.keys.put(key, Text::Int(n).into_value(), None);
            n
        }
    };
    Ok(call.reply.int(sum)?)
}

pub(super) fn append(call: &mut Call<'_>) -> Outcome {
    let (key, tail) = (call.args[1], call.args[2]);
    let mut room = Digits::default();
    let len = call.keys.find::<Text>(key)?.map_or(0, |text| text.as_bytes(&mut room).len());
    if len + tail.len() > MAX_LEN {
        return Err(TOO_LONG);
    }
    call.keys.find_or_make::<Text>(key)?.append(tail);
    Ok(call.reply.count(len + tail.len())?)
}

/// Negative positions count from the end; those beyond an end mean that end.
pub(super) fn getrange(call: &mut Call<'_>) -> Outcome {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let mut room = Digits::default();
    let text = call.keys.find::<Text>(call.args[1])?;
    let bytes = text.map_or(&[][..], |text| text.as_bytes(&mut room));
    let len = bytes.len() as i64;
    let from_start = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let empty = start < 0 && end < 0 && start > end;
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    let part = match start <= end && !empty {
        true => &bytes[start as usize..=end as usize],
        false => &[],
    };
    Ok(call.reply.bulk(part)?)
}

/// Beyond the end, zero bytes fill the gap.
pub(super) fn setrange(call: &mut Call<'_>) -> Outcome {
    let (key, patch) = (call.args[1], call.args[3]);
    let at =
        usize::try_from(call.int(2)?).map_err(|_| Fault::text("ERR offset is out of range"))?;
    let mut room = Digits::default();
    let len = call.keys.find::<Text>(key)?.map_or(0, |text| text.as_bytes(&mut room).len());
    if patch.is_empty() {
        return Ok(call.reply.count(len)?);
    }
    if at.saturating_add(patch.len()) > MAX_LEN {
        return Err(TOO_LONG);
    }
    call.keys.find_or_make::<Text>(key)?.overwrite(at, patch);
    Ok(call.reply.count(len.max(at + patch.len()))?)
}

pub(super) fn strlen(call: &mut Call<'_>) -> Outcome {
    let mut room = Digits::default();
    let text = call.keys.find::<Text>(call.args[1])?;
    Ok(call.reply.count(text.map_or(0, |text| text.as_bytes(&mut room).len()))?)
}

const OVERFLOW: Fault = Fault::text("ERR increment or decrement would overflow");
const TOO_LONG: Fault = Fault::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

/// A string has at most 512 MiB.
const MAX_LEN: usize = 512 << 20;
