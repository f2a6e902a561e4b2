//! Calls side by side on one connection: TTHeader frames, and answers that find their call by number.
//!
//! The server's handler takes as long as the call says; a client beside it has many calls in flight and
//! gets their answers as they are ready. It ends by itself; with `--listen` it only serves.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin mux_rpc
//! ```

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use netpoll::{Cancel, Frame, IntoErrorReply, Result, State, frame::Auto};
use netpoll_examples::{cli::ServerOptions, run};

/// Calls side by side on one connection.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen, to serve only: host:port, unix:/path or unix:@name
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// How many calls the client makes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,

    #[command(flatten)]
    server: ServerOptions,
}

/// A frame of TTHeader: a number, header words of four bytes, and a payload.
#[derive(Frame)]
struct TtHeader<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    magic: (),
    flags: u16,
    #[frame(seq)]
    id: u32,
    #[frame(len(of = head, unit = 4))]
    words: Auto<u16>,
    head: &'a [u8],
    #[frame(rest)]
    payload: &'a [u8],
}

/// An answer, which owns its payload.
#[derive(Frame)]
struct Answer {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    magic: (),
    flags: u16,
    #[frame(seq)]
    id: u32,
    #[frame(len(of = head, unit = 4))]
    words: Auto<u16>,
    head: [u8; 4],
    #[frame(rest)]
    payload: Vec<u8>,
}

/// The header: protocol 0 (Thrift's binary one), no transforms, padding.
const HEAD: [u8; 4] = [0; 4];
/// A flag of answers that are errors.
const FAILED: u16 = 1;

fn answer(flags: u16, payload: Vec<u8>) -> Answer {
    let (length, words) = (Auto::default(), Auto::default());
    Answer { length, magic: (), flags, id: 0, words, head: HEAD, payload }
}

/// What a client may be told instead of an answer.
enum RpcError {
    NotANumber,
    Cancelled,
}

impl IntoErrorReply<Answer> for RpcError {
    fn into_error_reply(self) -> Result<Answer> {
        let why = match self {
            Self::NotANumber => "a call is so many milliseconds, as text",
            Self::Cancelled => "nobody waits",
        };
        Ok(answer(FAILED, why.into()))
    }
}

#[netpoll::server(on_request = call)]
struct Rpc {
    longest: Duration,
}

#[netpoll::on_request(concurrent = 256, timeout = "5s")]
async fn call(
    rpc: State<'_, Rpc>,
    cancel: Cancel,
    request: TtHeader<'_>,
) -> Result<Answer, RpcError> {
    let text = std::str::from_utf8(request.payload).map_err(|_| RpcError::NotANumber)?;
    let millis = text.parse().map_err(|_| RpcError::NotANumber)?;
    netpoll::sleep(Duration::from_millis(millis).min(rpc.longest)).await;
    cancel.check().map_err(|_| RpcError::Cancelled)?;
    Ok(answer(0, format!("slept {millis} ms").into()))
}

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let server = Rpc { longest: Duration::from_secs(1) }.builder().runtime(&runtime);
    if let Some(address) = options.listen {
        return Ok(run::until_signal(server.listen(address).bind()?)?);
    }
    let server = server.listen("127.0.0.1:0").bind()?;
    let address = server.addresses()[0].inet().ok_or("no address")?;
    let asked: Vec<u32> = (0..options.calls).map(|i| i * 7 % 20).collect();
    let start = Instant::now();
    let turned = client(address, &asked)?;
    let slept: u32 = asked.iter().sum();
    println!(
        "{} calls on one connection: they slept for {slept} ms in all, and took {} ms; \
         {turned} answers overtook an earlier call's",
        asked.len(),
        start.elapsed().as_millis(),
    );
    println!("{}", server.handle().shutdown(Duration::from_secs(5)));
    Ok(())
}

/// Makes a call for each of `asked`, all in flight; gives how many answers overtook an earlier one.
fn client(address: SocketAddr, asked: &[u32]) -> Outcome<usize> {
    let mut server = TcpStream::connect(address)?;
    let mut writer = server.try_clone()?;
    let mut waiting: HashMap<u32, u32> = (0..).zip(asked.iter().copied()).collect();
    let calls: Vec<u8> = (0..)
        .zip(asked)
        .flat_map(|(id, millis)| frame(id, millis.to_string().as_bytes()))
        .collect();
    let sends = thread::spawn(move || writer.write_all(&calls));
    let (mut newest, mut turned) = (0, 0);
    for _ in asked {
        let (flags, id, payload) = read(&mut server)?;
        let millis = waiting.remove(&id).ok_or("an answer to no call, or a second one")?;
        if flags & FAILED != 0 || payload != format!("slept {millis} ms").as_bytes() {
            return Err(format!("call {id}: {}", payload.escape_ascii()).into());
        }
        turned += usize::from(id < newest);
        newest = newest.max(id);
    }
    sends.join().map_err(|_| "the sender panicked")??;
    Ok(turned)
}

/// A call, as the client writes it.
fn frame(id: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(((14 + payload.len()) as u32).to_be_bytes());
    out.extend(0x1000u16.to_be_bytes());
    out.extend(0u16.to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(1u16.to_be_bytes());
    out.extend(HEAD);
    out.extend(payload);
    out
}

/// An answer: its flags, number and payload.
fn read(server: &mut TcpStream) -> Outcome<(u16, u32, Vec<u8>)> {
    let mut length = [0; 4];
    server.read_exact(&mut length)?;
    let mut rest = vec![0; u32::from_be_bytes(length) as usize];
    server.read_exact(&mut rest)?;
    let (flags, id) = (rest[2..4].try_into()?, rest[4..8].try_into()?);
    let words = u16::from_be_bytes(rest[8..10].try_into()?);
    let payload = rest.split_off(10 + 4 * usize::from(words));
    Ok((u16::from_be_bytes(flags), u32::from_be_bytes(id), payload))
}
