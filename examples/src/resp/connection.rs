//! Commands on the connection itself.

use super::{
    call::{Call, Flow},
    fault::{Fault, Outcome},
    number,
    reply::Version,
    server,
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

/// `AUTH password`, `AUTH user password`: there is one user, who needs no password.
pub(super) fn auth(call: &mut Call<'_>) -> Outcome {
    match call.args[1..] {
        [_] => return Err(NO_PASSWORD),
        [user, _] => authenticate(user)?,
        _ => return Err(Fault::SYNTAX),
    }
    Ok(call.reply.ok()?)
}

fn authenticate(user: &[u8]) -> Outcome {
    if user == b"default" { Ok(()) } else { Err(WRONG_PASSWORD) }
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`. The name is set whatever follows, as in Redis.
pub(super) fn hello(call: &mut Call<'_>) -> Outcome {
    let mut version = call.session.version();
    if let Some(wanted) = call.args.get(1) {
        version = match number::parse(wanted).ok_or(BAD_VERSION)? {
            2 => Version::Two,
            3 => Version::Three,
            _ => return Err(Fault::text("NOPROTO unsupported protocol version")),
        };
    }
    let mut user = None;
    let mut options = call.args.get(2..).unwrap_or_default();
    while let [option, rest @ ..] = options {
        options = match rest {
            [wanted, rest @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                check_name(wanted, BAD_NAME)?;
                call.session.set_name(wanted);
                rest
            }
            [wanted, _, rest @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                user = Some(*wanted);
                rest
            }
            _ => return Err(Fault::line(&[b"ERR Syntax error in HELLO option '", option, b"'"])),
        };
    }
    user.map_or(Ok(()), authenticate)?;
    call.session.set_version(version);
    call.reply.set_version(version);
    let number = if version == Version::Three { 3 } else { 2 };
    call.reply.map(7)?;
    for (field, value) in [("server", "redis"), ("version", server::VERSION)] {
        call.reply.bulk(field.as_bytes())?;
        call.reply.bulk(value.as_bytes())?;
    }
    for (field, value) in [("proto", number), ("id", call.session.id())] {
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

/// `RESET`
pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    call.session.reset();
    Ok(call.reply.simple("RESET")?)
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
    } else if is("TRACKING") {
        // With OPTIN nothing is tracked but what `CLIENT CACHING` asks for, which there is not.
        match call.args[2..] {
            [on] if on.eq_ignore_ascii_case(b"OFF") => {}
            [on, optin]
                if on.eq_ignore_ascii_case(b"ON") && optin.eq_ignore_ascii_case(b"OPTIN") => {}
            _ => return Err(Fault::text("ERR keys are tracked for nobody: only OPTIN is known")),
        }
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
const NO_PASSWORD: Fault = Fault::text(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
     configuration is correct?",
);
const WRONG_PASSWORD: Fault =
    Fault::text("WRONGPASS invalid username-password pair or user is disabled.");
const BAD_NAME: Fault =
    Fault::text("ERR Client names cannot contain spaces, newlines or special characters.");
const BAD_LIB_NAME: Fault =
    Fault::text("ERR LIB-NAME cannot contain spaces, newlines or special characters.");
const BAD_LIB_VER: Fault =
    Fault::text("ERR LIB-VER cannot contain spaces, newlines or special characters.");
