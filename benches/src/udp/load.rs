//! The load: rounds of datagrams from many sockets, and their replies.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::sys::socket::{setsockopt, sockopt};

use super::{ECHO, ONE_WAY, Options};
use crate::child::Server;
use crate::process;

/// How long a reply is waited for before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(200);

/// Rounds before the measurement.
const WARM_UP: usize = 200;

/// Datagrams that are not answered, for each one that is.
const UNANSWERED: usize = 31;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) what: &'static str,
    /// Sockets that send.
    pub(super) peers: usize,
    /// Bytes of a datagram.
    pub(super) size: usize,
    /// Datagrams that are sent as one message, which the system splits.
    pub(super) burst: usize,
    /// Most are not answered.
    pub(super) one_way: bool,
}

/// What came of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The server's CPU time for each datagram that it received.
    pub(super) cpu: Duration,
    /// Datagrams in a second.
    pub(super) rate: f64,
    /// Time to the reply.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// The share without a reply.
    pub(super) lost: f64,
}

pub(super) fn run(server: &Server, shape: &Shape, options: &Options) -> io::Result<Sample> {
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            process::pin_current_thread(options.load_core)?;
            drive(server, shape, options.length)
        });
        load.join().expect("the load does not panic")
    })
}

fn drive(server: &Server, shape: &Shape, length: Duration) -> io::Result<Sample> {
    let sockets: Vec<UdpSocket> =
        (0..shape.peers).map(|_| connect(server, shape)).collect::<io::Result<_>>()?;
    let mut message = vec![ECHO; shape.size * shape.burst];
    let mut unanswered = message.clone();
    unanswered[0] = ONE_WAY;
    message[0] = ECHO;
    let mut into = vec![0; 65_536];
    let mut times = Histogram::<u64>::new(3).map_err(io::Error::other)?;
    times.auto(true);
    let (mut sent, mut came, mut extra) = (0_u64, 0_u64, 0_u64);
    let mut started = Instant::now();
    let mut cpu = server.process().cpu_time()?;
    let mut round = 0;
    loop {
        if round == WARM_UP {
            (sent, came, extra, started) = (0, 0, 0, Instant::now());
            cpu = server.process().cpu_time()?;
            times.reset();
        }
        round += 1;
        if round > WARM_UP && started.elapsed() >= length {
            break;
        }
        let begun = Instant::now();
        for socket in &sockets {
            if shape.one_way {
                for _ in 0..UNANSWERED {
                    socket.send(&unanswered)?;
                }
                extra += UNANSWERED as u64;
            }
            socket.send(&message)?;
            sent += shape.burst as u64;
        }
        for socket in &sockets {
            let mut left = message.len();
            while left > 0 {
                match socket.recv(&mut into) {
                    Ok(n) => {
                        left = left.saturating_sub(n);
                        came += n.div_ceil(shape.size) as u64;
                    }
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        break;
                    }
                    Err(e) => return Err(e),
                }
            }
            times.record(begun.elapsed().as_nanos() as u64).map_err(io::Error::other)?;
        }
    }
    let (took, cpu) = (started.elapsed(), server.process().cpu_time()?.saturating_sub(cpu));
    let received = came + extra;
    Ok(Sample {
        cpu: cpu / u32::try_from(received.max(1)).unwrap_or(u32::MAX),
        rate: received as f64 / took.as_secs_f64(),
        p50: Duration::from_nanos(times.value_at_quantile(0.5)),
        p99: Duration::from_nanos(times.value_at_quantile(0.99)),
        lost: 1.0 - came as f64 / sent.max(1) as f64,
    })
}

fn connect(server: &Server, shape: &Shape) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server.addr()?)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    if shape.burst > 1 {
        setsockopt(&socket, sockopt::UdpGsoSegment, &(shape.size as i32))?;
        setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
    }
    Ok(socket)
}
