//! One command's way: look up, lock, run, answer.

use std::ops::Deref;

use bytes::Bytes;
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
    /// Closes at once: whatever sent this is no client.
    Abort,
}

/// The arguments of a command, its name first.
#[derive(Clone, Copy)]
pub(super) struct Args<'a> {
    slices: &'a [&'a [u8]],
    /// Those that were put together from several blocks, in memory of their own, by their positions.
    joined: &'a [(usize, Bytes)],
}

impl Args<'_> {
    /// The argument at `i` to be kept: a copy, unless it has been copied already.
    pub(super) fn to_bytes(self, i: usize) -> Bytes {
        match self.joined.iter().find(|(at, _)| *at == i) {
            Some((_, bytes)) => bytes.clone(),
            None => Bytes::copy_from_slice(self.slices[i]),
        }
    }
}

impl<'a> Deref for Args<'a> {
    type Target = [&'a [u8]];

    #[inline]
    fn deref(&self) -> &[&'a [u8]] {
        self.slices
    }
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
    execute_joined(store, session, args, &[], out)
}

/// As [`execute`]; the arguments in `joined`, at those positions, need not be copied to be kept.
pub(super) fn execute_joined(
    store: &Store,
    session: &mut Session,
    args: &[&[u8]],
    joined: &[(usize, Bytes)],
    out: &mut dyn ReplySink,
) -> Result<Flow> {
    let mut reply = Reply::new(out, session.version());
    let Some(name) = args.first() else { return Ok(Flow::Continue) };
    let fault = match table::find(name) {
        None if is_http(name) => return Ok(Flow::Abort),
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
            let args = Args { slices: args, joined };
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

/// Whether a command of this name is a line of HTTP: a page in somebody's browser may send commands as
/// the body of a request.
#[cold]
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// What a command's function works with. It writes its reply when nothing can go wrong any more.
pub(super) struct Call<'a> {
    /// The arguments, the name first, as many as the table says.
    pub(super) args: Args<'a>,
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
