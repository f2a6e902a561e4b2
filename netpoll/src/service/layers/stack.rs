//! Several layers as one, in the order in which they are written.

use super::{Incoming, Layer, Outcome};
use crate::service::fault::Fault;

/// No layer.
impl Layer for () {
    type State = ();

    #[inline]
    fn before(&self, _: &mut Incoming<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

impl<L: Layer> Layer for &L {
    type State = L::State;
    const TIMED: bool = L::TIMED;

    #[inline]
    fn before(&self, request: &mut Incoming<'_>) -> Result<L::State, Fault> {
        L::before(self, request)
    }

    #[inline]
    fn after(&self, state: L::State, outcome: &Outcome) {
        L::after(self, state, outcome);
    }

    #[inline]
    fn around<R>(&self, state: &L::State, poll: impl FnOnce() -> R) -> R {
        L::around(self, state, poll)
    }
}

/// One layer before another; more of them are pairs of pairs.
impl<A: Layer, B: Layer> Layer for (A, B) {
    type State = (A::State, B::State);
    const TIMED: bool = A::TIMED || B::TIMED;

    #[inline]
    fn before(&self, request: &mut Incoming<'_>) -> Result<Self::State, Fault> {
        let first = self.0.before(request)?;
        match self.1.before(request) {
            Ok(second) => Ok((first, second)),
            Err(fault) => {
                self.0.after(first, &Outcome::refused(fault.status()));
                Err(fault)
            }
        }
    }

    #[inline]
    fn after(&self, (first, second): Self::State, outcome: &Outcome) {
        self.1.after(second, outcome);
        self.0.after(first, outcome);
    }

    #[inline]
    fn around<R>(&self, state: &Self::State, poll: impl FnOnce() -> R) -> R {
        self.0.around(&state.0, || self.1.around(&state.1, poll))
    }
}

macro_rules! pairs {
    ($only:tt) => { $only };
    ($first:tt $($rest:tt)+) => { ($first, pairs!($($rest)+)) };
}

macro_rules! tuples {
    ($($layer:ident $place:tt,)+) => {
        impl<$($layer: Layer),+> Layer for ($($layer,)+) {
            type State = <pairs!($($layer)+) as Layer>::State;
            const TIMED: bool = $($layer::TIMED ||)+ false;

            #[inline]
            fn before(&self, request: &mut Incoming<'_>) -> Result<Self::State, Fault> {
                pairs!($((&self.$place))+).before(request)
            }

            #[inline]
            fn after(&self, state: Self::State, outcome: &Outcome) {
                pairs!($((&self.$place))+).after(state, outcome);
            }

            #[inline]
            fn around<R>(&self, state: &Self::State, poll: impl FnOnce() -> R) -> R {
                pairs!($((&self.$place))+).around(state, poll)
            }
        }
    };
}

tuples!(A 0,);
tuples!(A 0, B 1, C 2,);
tuples!(A 0, B 1, C 2, D 3,);
tuples!(A 0, B 1, C 2, D 3, E 4,);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5,);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6,);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7,);
