//! A frame by hand: what `#[derive(Frame)]` stands for.

use netpoll::frame::{
    Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, FrameErrorKind, Progress,
    ScanError, Scanner, Window,
};

/// The frame; its bytes lie where they were received.
pub(crate) struct Message<'a> {
    body: &'a [u8],
}

/// Finds a frame's end. All that it needs is the length, so that it remembers nothing.
#[derive(Default)]
pub(crate) struct MessageScan;

impl Scanner for MessageScan {
    fn scan(&mut self, window: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Some(length) = window.array::<4>(0) else { return Ok(Progress::Need(4)) };
        let size = 4 + u32::from_be_bytes(length) as usize;
        if size > max {
            return Err(
                ScanError::new(FrameErrorKind::TooLarge { size, max }, 0).in_field("length")
            );
        }
        Ok(if window.len() < size { Progress::Need(size) } else { Progress::Ready(size) })
    }
}

impl Frame for Message<'_> {
    type Scan = MessageScan;
    type At<'a> = Message<'a>;
    const MIN: usize = 4;
}

impl<'a> Decode<'a> for Message<'a> {
    fn decode(reader: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let length = u32::from_be_bytes(reader.take()?);
        Ok(Self { body: reader.bytes(length as usize)? })
    }
}

impl Encode for Message<'_> {
    fn encoded_len(&self) -> usize {
        4 + self.body.len()
    }

    fn encode(&self, writer: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let length = u32::try_from(self.body.len()).map_err(|_| {
            let fault = FrameErrorKind::Range(self.body.len() as i128);
            EncodeError::new(fault, writer.pos()).in_field("length")
        })?;
        writer.write(&length.to_be_bytes())?;
        writer.write(self.body)
    }
}
