//! Formats whose frames are read by what came before them: a codec for each connection.

use super::{
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, ScanError},
    scan::Progress,
    window::Window,
};

/// A format with a memory: what one frame says changes how later ones are found, read or written.
///
/// A [`Frame`](super::Frame) is its bytes and nothing else; where that is not enough, as for
/// headers that a table compresses, or a handshake after which another format is spoken, a service
/// names a codec instead: its request is [`Coded<'static, C>`](crate::Coded). Each connection has a
/// codec of its own, made by [`Default`], and its requests are handled one at a time.
///
/// A connection that begins with a greeting, and has messages from then on:
///
/// ```
/// use netpoll::{Frame, buf::LinkBuffer};
/// use netpoll::frame::{
///     self, Arena, Auto, Codec, Decode, DecodeError, Encode, EncodeError, Progress, Decoder,
///     ScanError, Scanner, Window, Encoder,
/// };
///
/// #[derive(Frame, Debug, PartialEq)]
/// struct Greeting<'a>(#[frame(until = b"\n", max = 64)] &'a str);
///
/// #[derive(Frame, Debug, PartialEq)]
/// struct Message<'a> {
///     #[frame(len(of = body))]
///     length: Auto<u16>,
///     body: &'a [u8],
/// }
///
/// #[derive(Debug, PartialEq)]
/// enum In<'a> {
///     Greeting(Greeting<'a>),
///     Message(Message<'a>),
/// }
///
/// #[derive(Default)]
/// struct Talk {
///     greeted: bool,
/// }
///
/// impl Codec for Talk {
///     type Scan = (<Greeting<'static> as Frame>::Scan, <Message<'static> as Frame>::Scan);
///     type In<'a> = In<'a>;
///     type Out<'a> = Message<'a>;
///
///     fn scan(
///         &mut self,
///         (greeting, message): &mut Self::Scan,
///         w: &Window<'_>,
///         max: usize,
///     ) -> Result<Progress, ScanError> {
///         if self.greeted { message.scan(w, max) } else { greeting.scan(w, max) }
///     }
///
///     fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<In<'a>, DecodeError> {
///         if self.greeted {
///             return Message::decode(r).map(In::Message);
///         }
///         self.greeted = true;
///         Greeting::decode(r).map(In::Greeting)
///     }
///
///     fn encode(&mut self, frame: &Message<'_>, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
///         frame.encode(w)
///     }
/// }
///
/// let (mut talk, arena) = (Talk::default(), Arena::new());
/// let mut read = |wire: &'static [u8]| {
///     let found = talk.scan(&mut Default::default(), &Window::new(wire), 1 << 20)?;
///     assert_eq!(found, Progress::Ready(wire.len()));
///     Ok::<_, netpoll::Error>(talk.decode(&mut Decoder::new(wire, wire.len(), &arena))?)
/// };
/// assert_eq!(read(b"me\n")?, In::Greeting(Greeting("me")));
/// assert!(matches!(read(b"\0\x03me\n")?, In::Message(Message { body: b"me\n", .. })));
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait Codec: Default + Send + 'static {
    /// The scan state of a partial frame: the default at a frame's first byte. The scanners of
    /// the frames that can come, where there are such.
    type Scan: Default + Send + 'static;

    /// The incoming frame, as it borrows from the bytes it was decoded from.
    type In<'a>: Send;

    /// The outgoing frame.
    type Out<'a>;

    /// True if [`early`](Self::early) answers: it is called then.
    const ANSWERS_EARLY: bool = false;

    /// Looks for the end of the frame in `w`, as [`Scanner::scan`](super::Scanner::scan): `state`
    /// is what this frame's earlier scans left there. What outlives the frame changes in
    /// [`decode`](Self::decode), which runs once for each.
    ///
    /// # Errors
    /// Those of the method it stands for.
    fn scan(
        &mut self,
        state: &mut Self::Scan,
        w: &Window<'_>,
        max: usize,
    ) -> Result<Progress, ScanError>;

    /// Returns the frame's length where the end of the stream ends it; see
    /// [`Scanner::at_eof`](super::Scanner::at_eof).
    ///
    /// # Errors
    /// Those of the method it stands for.
    fn at_eof(
        &mut self,
        state: &mut Self::Scan,
        w: &Window<'_>,
    ) -> Result<Option<usize>, ScanError> {
        let _ = (state, w);
        Ok(None)
    }

    /// Answers a frame before it is whole, if [`ANSWERS_EARLY`](Self::ANSWERS_EARLY): `100 Continue`,
    /// a version, a refusal.
    ///
    /// It is called when [`scan`](Self::scan) needs bytes that have not come, before the connection
    /// waits for them: `state` is as the scan left it. It may be called several times for one frame;
    /// `state` remembers what was answered. What it writes follows the answers to all frames before,
    /// and is sent at once.
    ///
    /// ```
    /// use netpoll::frame::{
    ///     Codec, DecodeError, Decoder, EncodeError, Encoder, Progress, ScanError, Window,
    /// };
    ///
    /// /// A head that ends with a colon, and a body of five bytes, for which the client waits.
    /// #[derive(Default)]
    /// struct Continue;
    ///
    /// #[derive(Default)]
    /// struct Said(bool);
    ///
    /// impl Codec for Continue {
    ///     type Scan = Said;
    ///     type In<'a> = &'a [u8];
    ///     type Out<'a> = &'a [u8];
    ///     const ANSWERS_EARLY: bool = true;
    ///
    ///     fn scan(
    ///         &mut self,
    ///         _: &mut Said,
    ///         w: &Window<'_>,
    ///         _: usize,
    ///     ) -> Result<Progress, ScanError> {
    ///         Ok(if w.len() < 6 { Progress::Need(6) } else { Progress::Ready(6) })
    ///     }
    ///     fn early(
    ///         &mut self,
    ///         said: &mut Said,
    ///         w: &Window<'_>,
    ///         out: &mut Encoder<'_>,
    ///     ) -> Result<(), EncodeError> {
    ///         if w.array(0) == Some([b':']) && !std::mem::replace(&mut said.0, true) {
    ///             out.write(b"go on")?;
    ///         }
    ///         Ok(())
    ///     }
    ///     fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
    ///         r.bytes(6)
    ///     }
    ///     fn encode(&mut self, out: &&[u8], w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    ///         w.write(out)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The answer cannot be expressed, or there is no memory: the connection ends.
    fn early(
        &mut self,
        state: &mut Self::Scan,
        w: &Window<'_>,
        out: &mut Encoder<'_>,
    ) -> Result<(), EncodeError> {
        let _ = (state, w, out);
        Ok(())
    }

    /// Reads one frame from `r`, which has exactly its bytes.
    ///
    /// # Errors
    /// They are not of the format.
    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<Self::In<'a>, DecodeError>;

    /// Writes one frame. What was written before an error is taken back by the caller; what the
    /// codec remembers is its own to take back.
    ///
    /// # Errors
    /// The frame cannot be expressed; or there is no memory.
    fn encode(&mut self, frame: &Self::Out<'_>, w: &mut Encoder<'_>) -> Result<(), EncodeError>;
}
