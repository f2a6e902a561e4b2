//! Every command, in the order of their names.

use super::{
    call::Call,
    command::{
        Command,
        Group::{self, Connection, Generic, Hash, List, Server, Set, String},
        Keys::{self, All, Each, None, One, Pairs},
    },
    connection, expiry,
    fault::Outcome,
    hashes, keys, lists, server, sets, strings,
};

/// The command of that name, whatever its case.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut room = [0; LONGEST];
    room.get_mut(..name.len())?.copy_from_slice(name);
    room.make_ascii_lowercase();
    let at = NAMES.binary_search(&u128::from_be_bytes(room)).ok()?;
    // A zero byte at a name's end is no padding.
    Some(&COMMANDS[at]).filter(|command| command.name.len() == name.len())
}

/// The commands' names as numbers of the same order, so that a search compares no strings.
static NAMES: [u128; COMMANDS.len()] = {
    let mut names = [0; COMMANDS.len()];
    let mut i = 0;
    while i < names.len() {
        let name = COMMANDS[i].name.as_bytes();
        let mut at = 0;
        while at < name.len() {
            names[i] |= (name[at] as u128) << (8 * (LONGEST - 1 - at));
            at += 1;
        }
        i += 1;
    }
    names
};

#[rustfmt::skip] // one line for each command
pub(super) static COMMANDS: &[Command] = &[
    write("append", 3, One, String, strings::append, "Appends a string to the value of a key."),
    read("auth", -2, None, Connection, connection::auth, "Authenticates the connection."),
    read("client", -2, None, Connection, connection::client, "A container for client connection commands."),
    read("command", -1, None, Server, server::command, "Returns information about commands."),
    read("config", -2, None, Server, server::config, "A container for server configuration commands."),
    read("dbsize", 1, All, Server, keys::dbsize, "Returns the number of keys."),
    write("decr", 2, One, String, strings::decr, "Decrements the integer value of a key by one."),
    write("decrby", 3, One, String, strings::decrby, "Decrements the integer value of a key."),
    write("del", -2, Each, Generic, keys::remove, "Deletes keys."),
    read("echo", 2, None, Connection, connection::echo, "Returns the given string."),
    read("exists", -2, Each, Generic, keys::exists, "Counts the given keys that exist."),
    write("expire", -3, One, Generic, expiry::expire, "Sets a key's time to live, in seconds."),
    write("flushall", -1, All, Server, keys::flush, "Removes all keys."),
    write("flushdb", -1, All, Server, keys::flush, "Removes all keys."),
    read("get", 2, One, String, strings::get, "Returns the string value of a key."),
    read("getrange", 4, One, String, strings::getrange, "Returns a part of the string value of a key."),
    write("hdel", -3, One, Hash, hashes::hdel, "Deletes fields of a hash."),
    read("hello", -1, None, Connection, connection::hello, "Handshakes: version 2 or 3 of the protocol."),
    read("hget", 3, One, Hash, hashes::hget, "Returns the value of a field of a hash."),
    read("hgetall", 2, One, Hash, hashes::hgetall, "Returns all fields and values of a hash."),
    read("hlen", 2, One, Hash, hashes::hlen, "Returns the number of fields of a hash."),
    write("hset", -4, One, Hash, hashes::hset, "Sets fields of a hash."),
    write("incr", 2, One, String, strings::incr, "Increments the integer value of a key by one."),
    write("incrby", 3, One, String, strings::incrby, "Increments the integer value of a key."),
    read("info", -1, All, Server, server::info, "Returns information about the server."),
    read("keys", 2, All, Generic, keys::keys, "Returns all keys that match a pattern."),
    read("lindex", 3, One, List, lists::lindex, "Returns an element of a list."),
    read("llen", 2, One, List, lists::llen, "Returns the length of a list."),
    write("lpop", -2, One, List, lists::lpop, "Removes and returns the first elements of a list."),
    write("lpush", -3, One, List, lists::lpush, "Prepends elements to a list."),
    read("lrange", 4, One, List, lists::lrange, "Returns a range of the elements of a list."),
    read("mget", -2, Each, String, strings::mget, "Returns the string values of keys."),
    write("mset", -3, Pairs, String, strings::mset, "Sets the string values of keys."),
    write("persist", 2, One, Generic, expiry::persist, "Takes a key's time to live away."),
    write("pexpire", -3, One, Generic, expiry::pexpire, "Sets a key's time to live, in milliseconds."),
    read("ping", -1, None, Connection, connection::ping, "Returns the argument, or PONG."),
    read("pttl", 2, One, Generic, expiry::pttl, "Returns a key's time to live, in milliseconds."),
    read("quit", -1, None, Connection, connection::quit, "Closes the connection."),
    read("reset", 1, None, Connection, connection::reset, "Resets the connection."),
    write("rpop", -2, One, List, lists::rpop, "Removes and returns the last elements of a list."),
    write("rpush", -3, One, List, lists::rpush, "Appends elements to a list."),
    write("sadd", -3, One, Set, sets::sadd, "Adds members to a set."),
    read("scard", 2, One, Set, sets::scard, "Returns the number of members of a set."),
    read("select", 2, None, Connection, connection::select, "Changes the database: there is only 0."),
    write("set", -3, One, String, strings::set, "Sets the string value of a key."),
    write("setrange", 4, One, String, strings::setrange, "Overwrites a part of a string value of a key."),
    read("sismember", 3, One, Set, sets::sismember, "Tells whether a set has a member."),
    read("smembers", 2, One, Set, sets::smembers, "Returns all members of a set."),
    write("srem", -3, One, Set, sets::srem, "Removes members of a set."),
    read("strlen", 2, One, String, strings::strlen, "Returns the length of the string value of a key."),
    read("ttl", 2, One, Generic, expiry::ttl, "Returns a key's time to live, in seconds."),
    read("type", 2, One, Generic, keys::kind, "Returns the kind of a key's value."),
    write("unlink", -2, Each, Generic, keys::remove, "Deletes keys."),
];

type Run = fn(&mut Call<'_>) -> Outcome;

/// A command that changes no key.
const fn read(
    name: &'static str,
    arity: i32,
    keys: Keys,
    group: Group,
    run: Run,
    summary: &'static str,
) -> Command {
    Command { name, arity, keys, group, writes: false, summary, run }
}

/// A command that changes keys.
const fn write(
    name: &'static str,
    arity: i32,
    keys: Keys,
    group: Group,
    run: Run,
    summary: &'static str,
) -> Command {
    Command { name, arity, keys, group, writes: true, summary, run }
}

/// No name is longer.
const LONGEST: usize = size_of::<u128>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_complete() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
        for command in COMMANDS {
            let upper = command.name.to_uppercase();
            assert!(std::ptr::eq(find(upper.as_bytes()).unwrap(), command), "{upper}");
        }
        assert!(find(b"").is_none());
        assert!(find(b"get\0").is_none());
        assert!(find(b"gets").is_none());
        assert!(find(&[b'g'; 1000]).is_none());
    }

    #[test]
    fn every_key_that_is_locked_is_there() {
        for command in COMMANDS {
            let least = command.arity.unsigned_abs() as usize;
            let (first, ..) = command.keys.positions();
            assert!(least > first, "{}", command.name);
        }
    }
}
