//! An echo server on nothing but the public traits: what `#[server]` and `#[derive(Frame)]` stand for.
//!
//! Its protocol is a length of four bytes, big-endian, then so many bytes; each frame comes back.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin echo_by_hand -- --listen 127.0.0.1:9000
//! ```

use clap::Parser;
use netpoll::{
    Call, Connection, EventLoop, Flow, Result, Service,
    frame::{
        Decode, DecodeError, Encode, EncodeError, Fault, Frame, Progress, Reader, ScanError,
        Scanner, Window, Writer,
    },
};
use netpoll_examples::{cli::ServerOptions, run};

/// Echoes frames: four bytes of length, big-endian, then so many bytes.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

/// The frame; its bytes lie where they were received.
struct Message<'a> {
    body: &'a [u8],
}

/// Finds a frame's end. All that it needs is the length, so that it remembers nothing.
#[derive(Default)]
struct MessageScan;

impl Scanner for MessageScan {
    fn scan(&mut self, window: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Some(length) = window.array::<4>(0) else { return Ok(Progress::Need(4)) };
        let size = 4 + u32::from_be_bytes(length) as usize;
        if size > max {
            return Err(ScanError::new(Fault::TooLarge { size, max }, 0).in_field("length"));
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
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = u32::from_be_bytes(reader.take()?);
        Ok(Self { body: reader.bytes(length as usize)? })
    }
}

impl Encode for Message<'_> {
    fn encoded_len(&self) -> usize {
        4 + self.body.len()
    }

    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        let length = u32::try_from(self.body.len()).map_err(|_| {
            let fault = Fault::Range(self.body.len() as i128);
            EncodeError::new(fault, writer.pos()).in_field("length")
        })?;
        writer.write(&length.to_be_bytes())?;
        writer.write(self.body)
    }
}

struct Echo;

impl Service for Echo {
    type Session = ();
    type Request = Message<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        message: Message<'a>,
    ) -> Result<Flow> {
        call.out.put(&message)?;
        Ok(Flow::Continue)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = EventLoop::builder(Echo).runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
