//! Commands on sets.

use super::{call::Call, fault::Outcome, value::Set};

pub(super) fn sadd(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let set = call.keys.find_or_make::<Set>(args[1])?;
    let mut added = 0;
    for i in 2..args.len() {
        if !set.contains(args[i]) {
            set.insert(args.to_bytes(i));
            added += 1;
        }
    }
    Ok(call.reply.int(added)?)
}

pub(super) fn srem(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    let Some(set) = call.keys.find::<Set>(key)? else { return Ok(call.reply.int(0)?) };
    let removed = call.args[2..].iter().filter(|&&member| set.remove(member)).count();
    call.keys.remove_if_empty(key);
    Ok(call.reply.count(removed)?)
}

pub(super) fn smembers(call: &mut Call<'_>) -> Outcome {
    let Some(set) = call.keys.find::<Set>(call.args[1])? else { return Ok(call.reply.set(0)?) };
    call.reply.set(set.len())?;
    for member in set.iter() {
        call.reply.bulk_shared(member)?;
    }
    Ok(())
}

pub(super) fn scard(call: &mut Call<'_>) -> Outcome {
    let set = call.keys.find::<Set>(call.args[1])?;
    Ok(call.reply.count(set.map_or(0, |set| set.len()))?)
}

pub(super) fn sismember(call: &mut Call<'_>) -> Outcome {
    let set = call.keys.find::<Set>(call.args[1])?;
    let is = set.is_some_and(|set| set.contains(call.args[2]));
    Ok(call.reply.int(i64::from(is))?)
}
