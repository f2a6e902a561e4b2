//! What a connection has received, for runtimes that read into buffers that they own meanwhile.

use std::io;

use crate::wire::frame_len;

/// Room for a read where no long frame is on its way, in bytes.
const ROOM: usize = 16 << 10;

/// Received bytes, taken out frame by frame.
///
/// ```text
///   bytes: | taken | start .. len: received | len .. capacity: room for a read |
/// ```
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// The buffer, to read behind its length, where there is room for the frame that has begun.
    ///
    /// # Errors
    /// The frame that has begun is too long.
    pub(super) fn lend(&mut self) -> io::Result<Vec<u8>> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let missing = frame_len(&self.bytes)?.unwrap_or(0).saturating_sub(self.bytes.len());
        self.bytes.reserve(missing.max(ROOM - self.bytes.len().min(ROOM)).max(1));
        Ok(std::mem::take(&mut self.bytes))
    }

    /// Takes the buffer back.
    pub(super) fn give_back(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }

    /// The next frame that is wholly there.
    ///
    /// # Errors
    /// The frame is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let received = &self.bytes[self.start..];
        let Some(len) = frame_len(received)? else { return Ok(None) };
        let Some(frame) = received.get(..len) else { return Ok(None) };
        self.start += len;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_at_every_split() {
        let all = [0, 0, 0, 2, 8, 9, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        for split in 0..=all.len() {
            let mut inbox = Inbox::default();
            let mut frames = Vec::new();
            for part in [&all[..split], &all[split..]] {
                let mut bytes = inbox.lend().unwrap();
                assert!(bytes.capacity() > bytes.len());
                bytes.extend_from_slice(part);
                inbox.give_back(bytes);
                while let Some(frame) = inbox.next().unwrap() {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [&all[..6], &all[6..10], &all[10..]]);
        }
    }
}
