//! Checksums of a part of a frame: [`Checksum`], [`Crc32`], [`Crc32c`], [`Adler32`].

use super::ints::Int;

/// A checksum, fed piece by piece.
///
/// ```
/// use netpoll::frame::{Checksum, Crc32, Crc32c, Adler32};
/// fn of<C: Checksum>(bytes: &[u8]) -> C::Sum {
///     let mut sum = C::default();
///     sum.update(bytes);
///     sum.finish()
/// }
/// assert_eq!(of::<Crc32>(b"123456789"), 0xcbf4_3926);
/// assert_eq!(of::<Crc32c>(b"123456789"), 0xe306_9283);
/// assert_eq!(of::<Adler32>(b"123456789"), 0x091e_01de);
/// ```
pub trait Checksum: Default {
    /// The integer that a frame carries.
    type Sum: Int;

    /// Adds `bytes`.
    fn update(&mut self, bytes: &[u8]);

    /// Returns the checksum of all bytes added.
    fn finish(self) -> Self::Sum;
}

/// CRC-32 of zip, gzip and Ethernet.
#[derive(Clone, Debug, Default)]
pub struct Crc32(crc32fast::Hasher);

impl Checksum for Crc32 {
    type Sum = u32;

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// CRC-32C (Castagnoli) of iSCSI, SCTP, ext4 and Kafka.
#[derive(Clone, Debug, Default)]
pub struct Crc32c(u32);

impl Checksum for Crc32c {
    type Sum = u32;

    fn update(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }
    fn finish(self) -> u32 {
        self.0
    }
}

/// Adler-32 of zlib.
#[derive(Clone, Debug, Default)]
pub struct Adler32(adler2::Adler32);

impl Checksum for Adler32 {
    type Sum = u32;

    fn update(&mut self, bytes: &[u8]) {
        self.0.write_slice(bytes);
    }
    fn finish(self) -> u32 {
        self.0.checksum()
    }
}
