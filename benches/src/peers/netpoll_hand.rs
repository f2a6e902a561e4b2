//! This project, its traits written by hand, at default settings.
//!
//! A handler that is to sleep just sleeps. Side by side is `Dispatch::Concurrent`: what has been
//! answered leaves in the connection's next turn.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use netpoll::frame::{
    Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, FrameErrorKind, Progress,
    ScanError, Scanner, Window,
};
use netpoll::{Call, Connection, Dispatch, Flow, Service};

use super::netpoll_macros::run;
use super::{Listen, Setup};
use crate::wire::{LENGTH_BYTES, SLEEP_MILLIS, asks_to_sleep};

pub(super) fn serve(listen: Listen, setup: Setup) -> io::Result<()> {
    match setup.side_by_side {
        true => run(listen, setup, SideBySide),
        false => run(listen, setup, InSeries),
    }
}

/// A frame as it lies in the received bytes.
struct Echo<'a>(&'a [u8]);

#[derive(Default)]
struct EchoScan;

impl Scanner for EchoScan {
    #[inline]
    fn scan(&mut self, window: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Some(field) = window.array::<LENGTH_BYTES>(0) else {
            return Ok(Progress::Need(LENGTH_BYTES));
        };
        let size = LENGTH_BYTES + u32::from_be_bytes(field) as usize;
        if size > max {
            return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, 0));
        }
        Ok(if window.len() < size { Progress::Need(size) } else { Progress::Ready(size) })
    }
}

impl Frame for Echo<'_> {
    type Scan = EchoScan;
    type At<'a> = Echo<'a>;
    const MIN: usize = LENGTH_BYTES;
}

impl<'a> Decode<'a> for Echo<'a> {
    #[inline]
    fn decode(reader: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let length = u32::from_be_bytes(reader.take()?) as usize;
        reader.bytes(length).map(Echo)
    }
}

impl Encode for Echo<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        LENGTH_BYTES + self.0.len()
    }

    #[inline]
    fn encode(&self, writer: &mut Encoder<'_>) -> Result<(), EncodeError> {
        writer.write(&(self.0.len() as u32).to_be_bytes())?;
        writer.write(self.0)
    }
}

fn handle(payload: &[u8]) -> Echo<'_> {
    if asks_to_sleep(payload) {
        sleep(Duration::from_millis(SLEEP_MILLIS));
    }
    Echo(payload)
}

struct InSeries;

impl Service for InSeries {
    type Session = ();
    type Request = Echo<'static>;

    async fn on_connect(&self, _: &Connection) -> netpoll::Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        request: Echo<'a>,
    ) -> netpoll::Result<Flow> {
        call.out.put(&handle(request.0))?;
        Ok(Flow::Continue)
    }
}

struct SideBySide;

impl Service for SideBySide {
    type Session = ();
    type Request = Echo<'static>;
    const DISPATCH: Dispatch = Dispatch::Concurrent { max: 1024, ordered: false };

    async fn on_connect(&self, _: &Connection) -> netpoll::Result<()> {
        Ok(())
    }

    fn share((): &()) -> Option<()> {
        Some(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        request: Echo<'a>,
    ) -> netpoll::Result<Flow> {
        call.out.put(&handle(request.0))?;
        Ok(Flow::Continue)
    }
}
