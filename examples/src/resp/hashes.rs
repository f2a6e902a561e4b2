//! Commands on hashes.

use super::{
    call::Call,
    fault::{Fault, Outcome},
    value::Hash,
};

pub(super) fn hset(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if !args.len().is_multiple_of(2) {
        return Err(Fault::arity("hset"));
    }
    let hash = call.keys.find_or_make::<Hash>(call.args[1])?;
    let mut added = 0;
    for i in (2..args.len()).step_by(2) {
        let value = args.to_bytes(i + 1);
        if let Some(old) = hash.get_mut(args[i]) {
            *old = value;
        } else {
            hash.insert(args.to_bytes(i), value);
            added += 1;
        }
    }
    Ok(call.reply.int(added)?)
}

pub(super) fn hget(call: &mut Call<'_>) -> Outcome {
    let hash = call.keys.find::<Hash>(call.args[1])?;
    match hash.and_then(|hash| hash.get(call.args[2])) {
        Some(value) => call.reply.bulk_shared(value)?,
        None => call.reply.null()?,
    }
    Ok(())
}

pub(super) fn hdel(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let Some(hash) = call.keys.find::<Hash>(key)? else { return Ok(call.reply.int(0)?) };
    let removed = call.args[2..].iter().filter(|&&field| hash.remove(field).is_some()).count();
    call.keys.remove_if_empty(key);
    Ok(call.reply.count(removed)?)
}

pub(super) fn hgetall(call: &mut Call<'_>) -> Outcome {
    let Some(hash) = call.keys.find::<Hash>(call.args[1])? else {
        return Ok(call.reply.map(0)?);
    };
    call.reply.map(hash.len())?;
    for (field, value) in hash.iter() {
        call.reply.bulk_shared(field)?;
        call.reply.bulk_shared(value)?;
    }
    Ok(())
}

pub(super) fn hlen(call: &mut Call<'_>) -> Outcome {
    let hash = call.keys.find::<Hash>(call.args[1])?;
    Ok(call.reply.count(hash.map_or(0, |hash| hash.len()))?)
}
