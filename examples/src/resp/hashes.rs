//! Commands on hashes.

use bytes::Bytes;

use super::{
    call::Call,
    fault::{Fault, Outcome},
    value::Hash,
};

pub(super) fn hset(call: &mut Call<'_>) -> Outcome {
    let (pairs, []) = call.args[2..].as_chunks::<2>() else { return Err(Fault::arity("hset")) };
    let hash = call.keys.find_or_make::<Hash>(call.args[1])?;
    let mut added = 0;
    for &[field, value] in pairs {
        let value = Bytes::copy_from_slice(value);
        if let Some(old) = hash.get_mut(field) {
            *old = value;
        } else {
            hash.insert(Bytes::copy_from_slice(field), value);
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
        return Ok(call.reply.array(0)?);
    };
    call.reply.array(2 * hash.len())?;
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
