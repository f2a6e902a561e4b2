//! Commands on lists.

use bytes::Bytes;

use super::{
    call::Call,
    fault::{Fault, Outcome},
    number,
    value::List,
};

pub(super) fn lpush(call: &mut Call<'_>) -> Outcome {
    push(call, List::push_front)
}

pub(super) fn rpush(call: &mut Call<'_>) -> Outcome {
    push(call, List::push_back)
}

fn push(call: &mut Call<'_>, push: fn(&mut List, Bytes)) -> Outcome {
    let args = call.args;
    let list = call.keys.find_or_make::<List>(args[1])?;
    for i in 2..args.len() {
        push(list, args.to_bytes(i));
    }
    Ok(call.reply.count(list.len())?)
}

pub(super) fn lpop(call: &mut Call<'_>) -> Outcome {
    pop(call, "lpop", List::pop_front)
}

pub(super) fn rpop(call: &mut Call<'_>) -> Outcome {
    pop(call, "rpop", List::pop_back)
}

/// With a count the reply is an array, without one it is an element.
fn pop(call: &mut Call<'_>, name: &str, pop: fn(&mut List) -> Option<Bytes>) -> Outcome {
    let key = call.args[1];
    let count = match call.args[2..] {
        [] => None,
        [count] => {
            Some(number::parse(count).and_then(|n| usize::try_from(n).ok()).ok_or(NOT_POSITIVE)?)
        }
        _ => return Err(Fault::arity(name)),
    };
    let list = call.keys.find::<List>(key)?;
    match (list, count) {
        (None, None) => call.reply.null()?,
        (None, Some(_)) => call.reply.null_array()?,
        (Some(list), None) => {
            if let Some(element) = pop(list) {
                call.reply.bulk_shared(&element)?;
            }
        }
        (Some(list), Some(count)) => {
            let count = count.min(list.len());
            call.reply.array(count)?;
            for element in std::iter::from_fn(|| pop(list)).take(count) {
                call.reply.bulk_shared(&element)?;
            }
        }
    }
    call.keys.remove_if_empty(key);
    Ok(())
}

pub(super) fn llen(call: &mut Call<'_>) -> Outcome {
    let list = call.keys.find::<List>(call.args[1])?;
    Ok(call.reply.count(list.map_or(0, |list| list.len()))?)
}

pub(super) fn lindex(call: &mut Call<'_>) -> Outcome {
    let index = call.int(2)?;
    let list = call.keys.find::<List>(call.args[1])?;
    let element = list.and_then(|list| {
        let from_end = || list.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
        list.get(usize::try_from(index).ok().or_else(from_end)?)
    });
    match element {
        Some(element) => call.reply.bulk_shared(element)?,
        None => call.reply.null()?,
    }
    Ok(())
}

pub(super) fn lrange(call: &mut Call<'_>) -> Outcome {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let Some(list) = call.keys.find::<List>(call.args[1])? else { return Ok(call.reply.array(0)?) };
    let start = position(start, list.len());
    let end = position(stop.saturating_add(1), list.len());
    // One past the last element is no position that a negative index can name.
    let end = if stop == -1 { list.len() } else { end };
    if start >= end {
        return Ok(call.reply.array(0)?);
    }
    call.reply.array(end - start)?;
    for element in list.range(start..end) {
        call.reply.bulk_shared(element)?;
    }
    Ok(())
}

/// The position, at most `len`, that an index means: a negative one counts from the end.
fn position(index: i64, len: usize) -> usize {
    let from_end = index.unsigned_abs() as usize;
    if index < 0 { len.saturating_sub(from_end) } else { len.min(from_end) }
}

const NOT_POSITIVE: Fault = Fault::text("ERR value is out of range, must be positive");
