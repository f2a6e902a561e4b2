//! Commands on the connection itself.

use super::{
    call::{Call, Flow},
    fault::{Fault, Outcome},
    number, server,
};

pub(super) fn ping(call: &mut Call<'_>) -> Outcome {
    match call.args[1..] {
        [] => Ok(call.reply.simple("PONG")?),
        [text] => Ok(call.reply.bulk(text)?),
        _ => Err(Fault::arity("ping")),
    }
}

pub(super) fn echo(call: &mut Call<'_>) -> Outcome {
    Ok(call.reply.bulk(call.args[1])?)
}

pub(super) fn quit(call: &mut Call<'_>) -> Outcome {
    call.flow = Flow::Close;
    Ok(call.reply.ok()?)
}

pub(super) fn select(call: &mut Call<'_>) -> Outcome {
    if call.int(1)? != 0 {
        return Err(Fault::text("ERR DB index is out of range"));
    }
    Ok(call.reply.ok()?)
}

/// Only version 2 of the protocol is spoken: what asks for 3 is told so, and goes on with 2.
pub(super) fn hello(call: &mut Call<'_>) -> Outcome {
    if let Some(version) = call.args.get(1) {
        let version = number::parse(version).ok_or(BAD_VERSION)?;
        if version != 2 {
            return Err(Fault::text("NOPROTO unsupported protocol version"));
        }
    }
    let mut options = call.args.get(2..).unwrap_or_default();
    while let [option, rest @ ..] = options {
        let (true, [name, rest @ ..]) = (option.eq_ignore_ascii_case(b"SETNAME"), rest) else {
            return Err(Fault::line(&[b"ERR Syntax error in HELLO option '", option, b"'"]));
        };
        check_name(name, BAD_NAME)?;
        call.session.set_name(name);
        options = rest;
    }
    call.reply.array(14)?;
    for (field, value) in [("server", "redis"), ("version", server::VERSION)] {
        call.reply.bulk(field.as_bytes())?;
        call.reply.bulk(value.as_bytes())?;
    }
    for (field, value) in [("proto", 2), ("id", call.session.id())] {
        call.reply.bulk(field.as_bytes())?;
        call.reply.int(value)?;
    }
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        call.reply.bulk(field.as_bytes())?;
        call.reply.bulk(value.as_bytes())?;
    }
    call.reply.bulk(b"modules")?;
    Ok(call.reply.array(0)?)
}

pub(super) fn client(call: &mut Call<'_>) -> Outcome {
    let sub = call.args[1];
    let is = |name: &str| sub.eq_ignore_ascii_case(name.as_bytes());
    if is("ID") {
        let [] = call.args[2..] else { return Err(Fault::arity("client|id")) };
        call.reply.int(call.session.id())?;
    } else if is("GETNAME") {
        let [] = call.args[2..] else { return Err(Fault::arity("client|getname")) };
        match call.session.name() {
            [] => call.reply.null()?,
            name => call.reply.bulk(name)?,
        }
    } else if is("SETNAME") {
        let [name] = call.args[2..] else { return Err(Fault::arity("client|setname")) };
        check_name(name, BAD_NAME)?;
        call.session.set_name(name);
        call.reply.ok()?;
    } else if is("SETINFO") {
        let [field, value] = call.args[2..] else { return Err(Fault::arity("client|setinfo")) };
        let fault = match () {
            () if field.eq_ignore_ascii_case(b"LIB-NAME") => BAD_LIB_NAME,
            () if field.eq_ignore_ascii_case(b"LIB-VER") => BAD_LIB_VER,
            () => return Err(Fault::line(&[b"ERR Unrecognized option '", field, b"'"])),
        };
        check_name(value, fault)?;
        call.reply.ok()?;
    } else {
        return Err(Fault::subcommand("CLIENT", sub));
    }
    Ok(())
}

/// A name is printed in lists: it has neither spaces nor control characters.
fn check_name(name: &[u8], fault: Fault) -> Outcome {
    if name.iter().all(u8::is_ascii_graphic) { Ok(()) } else { Err(fault) }
}

const BAD_VERSION: Fault = Fault::text("ERR Protocol version is not an integer or out of range");
const BAD_NAME: Fault =
    Fault::text("ERR Client names cannot contain spaces, newlines or special characters.");
const BAD_LIB_NAME: Fault =
    Fault::text("ERR LIB-NAME cannot contain spaces, newlines or special characters.");
const BAD_LIB_VER: Fault =
    Fault::text("ERR LIB-VER cannot contain spaces, newlines or special characters.");
