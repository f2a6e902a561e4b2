//! The goodbye of a server that drains: how it is written, and the time that a peer has to obey it.

use std::{marker::PhantomData, time::Duration};

use super::{Service, call::Out, handler_state::ConnectionHandler};
use crate::{
    conn::step::Step,
    error::Result,
    frame::{Encode, Frame},
    guard::{self, Place},
    sched::{clock, sleep_on},
    timer::Moment,
};

/// The time after a goodbye in which the peer ends the connection; then the server does, once it is idle.
const GRACE: Duration = Duration::from_secs(1);

impl<S: Service> ConnectionHandler<S> {
    /// Says goodbye to the peer, as far as the protocol has a word for it. Returns the moment from which the
    /// connection closes when it has nothing to do.
    pub(super) fn say_goodbye(&self, step: &mut Step<'_, '_>) -> Result<Moment> {
        let mut out = Out::new(step.conn, step.out);
        let said = guard::run(Place::Handler, || self.service().on_drain(step.conn, &mut out))??;
        if !said {
            return Ok(clock().now());
        }
        let conn = step.conn.conn.clone();
        step.conn.conn.spawn(Box::pin(async move {
            sleep_on(conn.runtime(), GRACE).await;
            conn.wake_turn();
        }));
        Ok(clock().after(GRACE))
    }
}

/// Writes the goodbye of the format `R`; returns false if it has none.
///
/// # Errors
/// It cannot be written.
pub fn say_goodbye<R>(out: &mut Out<'_>) -> Result<bool>
where
    R: Frame<At<'static>: Encode>,
{
    let Some(goodbye) = R::new_goodbye() else { return Ok(false) };
    out.put(&goodbye)?;
    Ok(true)
}

/// Goodbyes of the type `F`, if it is a frame; a method of this takes precedence over that of
/// [`NoGoodbyes`].
#[derive(Debug)]
pub struct Goodbyes<F>(PhantomData<fn() -> F>);

impl<F: Frame<At<'static>: Encode>> Goodbyes<F> {
    /// Writes the goodbye; returns false if the format has none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn say(out: &mut Out<'_>) -> Result<bool> {
        say_goodbye::<F>(out)
    }
}

/// [`Goodbyes`] of a type that has none.
pub trait NoGoodbyes {
    /// Writes nothing.
    ///
    /// # Errors
    /// None.
    fn say(_: &mut Out<'_>) -> Result<bool> {
        Ok(false)
    }
}

impl<F> NoGoodbyes for Goodbyes<F> {}
