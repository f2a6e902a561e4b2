//! Commands on keys of any kind.

use super::{
    call::Call,
    fault::{Fault, Outcome},
    glob,
};

pub(super) fn remove(call: &mut Call<'_>) -> Outcome {
    let removed = call.args[1..].iter().filter(|key| call.keys.remove(key)).count();
    Ok(call.reply.count(removed)?)
}

/// A key that is named twice counts twice.
pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    let found = call.args[1..].iter().filter(|key| call.keys.entry(key).is_some()).count();
    Ok(call.reply.count(found)?)
}

pub(super) fn kind(call: &mut Call<'_>) -> Outcome {
    let entry = call.keys.entry(call.args[1]);
    Ok(call.reply.simple(entry.map_or("none", |entry| entry.value.kind()))?)
}

pub(super) fn keys(call: &mut Call<'_>) -> Outcome {
    let pattern = call.args[1];
    let mut found = Vec::new();
    call.keys.each_key(|key| {
        if glob::matches(pattern, key) {
            found.push(key);
        }
    });
    call.reply.array(found.len())?;
    for key in found {
        call.reply.bulk(key)?;
    }
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_>) -> Outcome {
    let len = call.keys.len();
    Ok(call.reply.count(len)?)
}

/// `ASYNC` and `SYNC` are the same here.
pub(super) fn flush(call: &mut Call<'_>) -> Outcome {
    let known =
        |word: &[u8]| word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC");
    match call.args[1..] {
        [] => {}
        [word] if known(word) => {}
        _ => return Err(Fault::SYNTAX),
    }
    call.keys.clear();
    Ok(call.reply.ok()?)
}
