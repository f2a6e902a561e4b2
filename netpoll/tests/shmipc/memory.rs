//! The memory of a client that speaks version 2 of shmipc's protocol, in plain files, and may do with it what it
//! likes.

#![allow(unreachable_pub, reason = "a fuzz target uses it too")]

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

pub const PLACES: u32 = 64;
pub const SLICE: u32 = 1000;
pub const SLICES: u32 = 32;
pub const QUEUE: u64 = 2 * (24 + 12 * PLACES as u64);
pub const BUFFER: u64 = 8 + 36 + (SLICES * (SLICE + 20)) as u64;

/// The frame that wakes the peer.
pub const WAKE: [u8; 8] = [0, 0, 0, 8, 0x77, 0x58, 2, 1];

/// Returns the offset of slice `n`.
pub fn slice_at(n: u32) -> u32 {
    44 + n * (SLICE + 20)
}

/// The memory, laid out as the protocol has it.
pub struct Memory {
    pub queue: File,
    pub buffer: File,
    paths: [PathBuf; 2],
    tail: u64,
}

/// Writes words.
pub fn put(file: &File, at: u64, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    file.write_all_at(&bytes, at).unwrap();
}

impl Memory {
    pub fn new(dir: &Path, n: usize) -> Self {
        let paths = [dir.join(format!("queue-{n}")), dir.join(format!("buffer-{n}"))];
        let [queue, buffer] = [&paths[0], &paths[1]].map(|path| {
            File::options().create(true).truncate(true).read(true).write(true).open(path).unwrap()
        });
        queue.set_len(QUEUE).unwrap();
        buffer.set_len(BUFFER).unwrap();
        for half in [0, QUEUE / 2] {
            put(&queue, half, &[PLACES]);
        }
        put(&buffer, 0, &[1, BUFFER as u32 - 8]);
        let stride = SLICE + 20;
        put(&buffer, 8, &[SLICES, SLICES, 0, (SLICES - 1) * stride, SLICE]);
        for i in 0..SLICES {
            let last = i + 1 == SLICES;
            let next = if last { 0 } else { (i + 1) * stride };
            put(&buffer, u64::from(44 + i * stride), &[SLICE, 0, 0, next, u32::from(!last)]);
        }
        Self { queue, buffer, paths, tail: 0 }
    }

    /// The frame that offers the memory: version 2, its files' paths.
    pub fn offer(&self) -> Vec<u8> {
        let paths = self.paths.each_ref().map(|path| path.to_str().unwrap());
        let length = 8 + 4 + paths[0].len() + paths[1].len();
        let mut offer = (length as u32).to_be_bytes().to_vec();
        offer.extend([0x77, 0x58, 2, 0]);
        for path in paths {
            offer.extend((path.len() as u16).to_be_bytes());
            offer.extend(path.as_bytes());
        }
        offer
    }

    /// Puts an element, and says so in the queue's header.
    pub fn element(&mut self, stream: u32, offset: u32, status: u32) {
        let at = 24 + 12 * (self.tail % u64::from(PLACES));
        put(&self.queue, at, &[stream, offset, status]);
        self.tail += 1;
        put(&self.queue, 12, &[self.tail as u32]);
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
    }
}
