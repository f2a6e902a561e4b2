//! Commands on the server: what it can do, how it is set, how it does.

use std::fmt::Write;

use super::{
    call::Call,
    command::Command,
    fault::{Fault, Outcome},
    glob,
    table::{self, COMMANDS},
};

/// `COMMAND [COUNT | LIST | INFO name.. | DOCS name..]`
pub(super) fn command(call: &mut Call<'_>) -> Outcome {
    let Some(sub) = call.args.get(1) else {
        call.reply.array(COMMANDS.len())?;
        return COMMANDS.iter().try_for_each(|command| describe(call, command));
    };
    let names = &call.args[2..];
    let is = |name: &str| sub.eq_ignore_ascii_case(name.as_bytes());
    if is("COUNT") {
        let [] = names else { return Err(Fault::arity("command|count")) };
        call.reply.count(COMMANDS.len())?;
    } else if is("LIST") {
        let [] = names else { return Err(Fault::SYNTAX) };
        call.reply.array(COMMANDS.len())?;
        for command in COMMANDS {
            call.reply.bulk(command.name.as_bytes())?;
        }
    } else if is("INFO") {
        let wanted = wanted(names);
        call.reply.array(wanted.len())?;
        for command in wanted {
            match command {
                Some(command) => describe(call, command)?,
                None => call.reply.null()?,
            }
        }
    } else if is("DOCS") {
        let wanted: Vec<_> = wanted(names).into_iter().flatten().collect();
        call.reply.map(wanted.len())?;
        for command in wanted {
            call.reply.bulk(command.name.as_bytes())?;
            call.reply.map(2)?;
            let group = command.group.name();
            for text in ["summary", command.summary, "group", group] {
                call.reply.bulk(text.as_bytes())?;
            }
        }
    } else {
        return Err(Fault::subcommand("COMMAND", sub));
    }
    Ok(())
}

/// The commands of these names; all if no name is given.
fn wanted(names: &[&[u8]]) -> Vec<Option<&'static Command>> {
    if names.is_empty() {
        return COMMANDS.iter().map(Some).collect();
    }
    names.iter().map(|name| table::find(name)).collect()
}

/// Name, arity, flags, first key, last key, step; then categories, tips, key specifications and
/// subcommands, of which there are none here.
fn describe(call: &mut Call<'_>, command: &Command) -> Outcome {
    let (first, last, step) = command.keys.positions();
    call.reply.array(10)?;
    call.reply.bulk(command.name.as_bytes())?;
    call.reply.int(command.arity.into())?;
    call.reply.set(1)?;
    call.reply.simple(if command.writes { "write" } else { "readonly" })?;
    call.reply.count(first)?;
    call.reply.int(last)?;
    call.reply.count(step)?;
    for _ in 0..4 {
        call.reply.array(0)?;
    }
    Ok(())
}

/// `CONFIG GET pattern..`
pub(super) fn config(call: &mut Call<'_>) -> Outcome {
    let sub = call.args[1];
    if !sub.eq_ignore_ascii_case(b"GET") {
        return Err(Fault::subcommand("CONFIG", sub));
    }
    let patterns = &call.args[2..];
    if patterns.is_empty() {
        return Err(Fault::arity("config|get"));
    }
    let matches = |name: &str| {
        let name = name.as_bytes();
        patterns.iter().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name))
    };
    let found: Vec<_> = SETTINGS.iter().filter(|(name, _)| matches(name)).collect();
    call.reply.map(found.len())?;
    for (name, value) in found {
        call.reply.bulk(name.as_bytes())?;
        call.reply.bulk(value.as_bytes())?;
    }
    Ok(())
}

/// `INFO [section..]`
pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let sections = &call.args[1..];
    let wanted = |name: &str| {
        let is = |section: &&[u8]| {
            [name, "all", "default", "everything"]
                .iter()
                .any(|known| section.eq_ignore_ascii_case(known.as_bytes()))
        };
        sections.is_empty() || sections.iter().any(is)
    };
    let mut parts = Vec::new();
    if wanted("server") {
        let (process, uptime) = (std::process::id(), call.store.uptime());
        parts.push(format!(
            "# Server\r\nredis_version:{VERSION}\r\nserver_name:netpoll\r\nredis_mode:standalone\r\n\
             os:{} {}\r\nprocess_id:{process}\r\nuptime_in_seconds:{uptime}\r\n",
            std::env::consts::OS,
            std::env::consts::ARCH,
        ));
    }
    if wanted("stats") {
        let sessions = call.store.sessions();
        parts.push(format!("# Stats\r\ntotal_connections_received:{sessions}\r\n"));
    }
    if wanted("keyspace") {
        let (keys, expires) = (call.keys.len(), call.keys.deadlines());
        let mut part = "# Keyspace\r\n".to_owned();
        if keys > 0 {
            // Writing to a string cannot fail.
            let _ = write!(part, "db0:keys={keys},expires={expires},avg_ttl=0\r\n");
        }
        parts.push(part);
    }
    Ok(call.reply.text(&parts.join("\r\n"))?)
}

/// The version of Redis whose replies these are.
pub(super) const VERSION: &str = "7.0.15";

/// What clients ask for at their start. Nothing is ever written to a disk.
const SETTINGS: &[(&str, &str)] =
    &[("appendonly", "no"), ("databases", "1"), ("maxmemory", "0"), ("save", "")];
