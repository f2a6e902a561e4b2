//! One command's way: look up, lock, run, answer.

use netpoll::Result;

use super::{
    Session, Store,
    command::Keys,
    fault::{Fault, Outcome},
    number,
    reply::{Reply, ReplySink},
    store::Keyspace,
    table,
};

/// What the connection does after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Goes on.
    Continue,
    /// Sends what was answered, then closes.
    Close,
}

/// Runs the command `args`, its name first, and writes its reply to `out`.
///
/// What a client does wrong is answered; without arguments nothing happens, as in Redis.
///
/// # Errors
/// If `out` takes no more.
pub fn execute(
    store: &Store,
    session: &mut Session,
    args: &[&[u8]],
    out: &mut dyn ReplySink,
) -> Result<Flow> {
    let mut reply = Reply::new(out);
    let Some(name) = args.first() else { return Ok(Flow::Continue) };
    let fault = match table::find(name) {
        None => Fault::unknown(args),
        Some(command) if !command.accepts(args.len()) => Fault::arity(command.name),
        Some(command) => {
            let keys = match command.keys {
                Keys::None => store.lock_none(),
                Keys::One => store.lock_one(args[1]),
                Keys::Each => store.lock_keys(args[1..].iter().copied()),
                Keys::Pairs => store.lock_keys(args[1..].iter().copied().step_by(2)),
                Keys::All => store.lock_all(),
            };
            let mut call = Call { args, keys, reply, session, store, flow: Flow::Continue };
            match (command.run)(&mut call) {
                Ok(()) => return Ok(call.flow),
                Err(fault) => {
                    reply = call.reply;
                    fault
                }
            }
        }
    };
    match fault {
        Fault::Client(line) => reply.error(&line)?,
        Fault::Output(error) => return Err(error),
    }
    Ok(Flow::Continue)
}

/// What a command's function works with. It writes its reply when nothing can go wrong any more.
pub(super) struct Call<'a> {
    /// The arguments, the name first, as many as the table says.
    pub(super) args: &'a [&'a [u8]],
    pub(super) keys: Keyspace<'a>,
    pub(super) reply: Reply<'a>,
    pub(super) session: &'a mut Session,
    pub(super) store: &'a Store,
    pub(super) flow: Flow,
}

impl Call<'_> {
    /// The argument at `i` as an integer.
    pub(super) fn int(&self, i: usize) -> Outcome<i64> {
        number::parse(self.args[i]).ok_or(Fault::NOT_AN_INTEGER)
    }
}
