//! What a datagram holds, as its handler takes it.

use crate::{
    error::Result,
    frame::{self, Arena, Frame},
    udp::Datagram,
};

/// The last argument of `on_datagram`: a frame that fills the datagram, `&[u8]`, or a [`Datagram`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame",
    label = "not a frame",
    note = "derive it: `#[derive(Frame)]`; `&[u8]` is for the bytes as they come"
)]
pub trait Payload: 'static {
    /// The payload, as it borrows from the bytes that came.
    type At<'a>: Send;

    /// Takes it from `datagram`.
    ///
    /// # Errors
    /// `Malformed`: the datagram is not one frame of the format.
    fn at<'a>(datagram: Datagram<'a>, arena: &'a Arena) -> Result<Self::At<'a>>;
}

impl<F: Frame + 'static> Payload for F {
    type At<'a> = F::At<'a>;

    #[inline]
    fn at<'a>(datagram: Datagram<'a>, arena: &'a Arena) -> Result<F::At<'a>> {
        frame::decode_whole::<F>(datagram.bytes(), arena)
    }
}

impl Payload for &'static [u8] {
    type At<'a> = &'a [u8];

    #[inline]
    fn at<'a>(datagram: Datagram<'a>, _: &'a Arena) -> Result<&'a [u8]> {
        Ok(datagram.bytes())
    }
}

impl Payload for Datagram<'static> {
    type At<'a> = Datagram<'a>;

    #[inline]
    fn at<'a>(datagram: Datagram<'a>, _: &'a Arena) -> Result<Datagram<'a>> {
        Ok(datagram)
    }
}
