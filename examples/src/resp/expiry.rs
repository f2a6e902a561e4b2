//! Commands on deadlines.

use super::{
    call::Call,
    fault::{Fault, Outcome},
};

/// How a time is given.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// In how many milliseconds it counts.
    millis: i64,
    /// Whether it counts from now, not from 1970.
    relative: bool,
}

impl Unit {
    const SECONDS: Self = Self { millis: 1000, relative: true };
    const MILLIS: Self = Self { millis: 1, relative: true };

    /// The unit that an option of `SET` stands for.
    pub(super) fn of_option(word: &[u8]) -> Option<Self> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("EX") {
            Some(Self::SECONDS)
        } else if is("PX") {
            Some(Self::MILLIS)
        } else if is("EXAT") {
            Some(Self { relative: false, ..Self::SECONDS })
        } else if is("PXAT") {
            Some(Self { relative: false, ..Self::MILLIS })
        } else {
            None
        }
    }

    /// The deadline that `n` stands for, if it can be told in milliseconds.
    fn deadline(self, n: i64, now: i64) -> Option<i64> {
        n.checked_mul(self.millis)?.checked_add(if self.relative { now } else { 0 })
    }
}

/// The deadline that the argument at `i` gives a new value of the command `name`.
pub(super) fn deadline(call: &Call<'_>, unit: Unit, i: usize, name: &str) -> Outcome<i64> {
    let n = call.int(i)?;
    unit.deadline(n, call.keys.now()).filter(|_| n > 0).ok_or_else(|| invalid(name))
}

fn invalid(name: &str) -> Fault {
    Fault::line(&[b"ERR invalid expire time in '", name.as_bytes(), b"' command"])
}

pub(super) fn expire(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::SECONDS, "expire")
}

pub(super) fn pexpire(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::MILLIS, "pexpire")
}

fn set(call: &mut Call<'_>, unit: Unit, name: &str) -> Outcome {
    let key = call.args[1];
    let when = Condition::parse(&call.args[3..])?;
    let n = call.int(2)?;
    let now = call.keys.now();
    let new = unit.deadline(n, now).ok_or_else(|| invalid(name))?;
    let changes = call.keys.entry(key).is_some_and(|entry| when.allows(entry.deadline(), new));
    if changes && new <= now {
        call.keys.remove(key);
    } else if changes {
        call.keys.set_deadline(key, Some(new));
    }
    Ok(call.reply.int(i64::from(changes))?)
}

/// When `EXPIRE` may change a deadline.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(words: &[&[u8]]) -> Outcome<Self> {
        let mut when = Self::default();
        for word in words {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let flag = if is("NX") {
                &mut when.nx
            } else if is("XX") {
                &mut when.xx
            } else if is("GT") {
                &mut when.gt
            } else if is("LT") {
                &mut when.lt
            } else {
                return Err(Fault::line(&[b"ERR Unsupported option ", word]));
            };
            *flag = true;
        }
        if when.nx && (when.xx || when.gt || when.lt) {
            return Err(NX_WITH_OTHERS);
        }
        if when.gt && when.lt { Err(GT_WITH_LT) } else { Ok(when) }
    }

    /// Whether a deadline may change from `old` to `new`; without one, a key lives for ever.
    fn allows(&self, old: Option<i64>, new: i64) -> bool {
        !(self.nx && old.is_some()
            || self.xx && old.is_none()
            || self.gt && old.is_none_or(|old| new <= old)
            || self.lt && old.is_some_and(|old| new >= old))
    }
}

pub(super) fn ttl(call: &mut Call<'_>) -> Outcome {
    let left = left(call).map(|millis| millis.saturating_add(500) / 1000);
    Ok(call.reply.int(left.unwrap_or_else(|code| code))?)
}

pub(super) fn pttl(call: &mut Call<'_>) -> Outcome {
    let left = left(call);
    Ok(call.reply.int(left.unwrap_or_else(|code| code))?)
}

/// The milliseconds that the key has left, or the code that says why that cannot be told.
fn left(call: &mut Call<'_>) -> Result<i64, i64> {
    let entry = call.keys.entry(call.args[1]).ok_or(GONE)?;
    let deadline = entry.deadline().ok_or(FOR_EVER)?;
    Ok(deadline - call.keys.now())
}

pub(super) fn persist(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let had = call.keys.entry(key).is_some_and(|entry| entry.deadline().is_some());
    if had {
        call.keys.set_deadline(key, None);
    }
    Ok(call.reply.int(i64::from(had))?)
}

const NX_WITH_OTHERS: Fault =
    Fault::text("ERR NX and XX, GT or LT options at the same time are not compatible");
const GT_WITH_LT: Fault = Fault::text("ERR GT and LT options at the same time are not compatible");

/// What `TTL` answers for a key that is not there.
const GONE: i64 = -2;
/// What `TTL` answers for a key without a deadline.
const FOR_EVER: i64 = -1;
