//! Servers whose instructions `.ci/service-instructions` counts: the same methods by one handler that matches by
//! hand, and by routes; by key and by variant.
//!
//! A method by key takes the bytes of its call and answers with none, one by variant echoes.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use netpoll::{
    EventLoop, Fault, Frame, Result, Service,
    frame::Auto,
    rpc::{Answer, Call},
};

/// Counts of bytes, one for each method: no two methods are the same code.
#[derive(Default)]
struct Sums([AtomicUsize; 8]);

impl Sums {
    fn add(&self, method: usize, bytes: &[u8]) {
        self.0[method].fetch_add(bytes.len(), Relaxed);
    }
}

#[derive(Default)]
struct ByMatch(Sums);

#[netpoll::server]
impl ByMatch {
    #[on_request(concurrent = 256)]
    async fn handle(&self, call: Call<'_>) -> Result<Answer<'static>, Fault> {
        let bytes = call.payload.to_vec();
        match call.method {
            "method.0" => self.0.add(0, &bytes),
            "method.1" => self.0.add(1, &bytes),
            "method.2" => self.0.add(2, &bytes),
            "method.3" => self.0.add(3, &bytes),
            "method.4" => self.0.add(4, &bytes),
            "method.5" => self.0.add(5, &bytes),
            "method.6" => self.0.add(6, &bytes),
            "method.7" => self.0.add(7, &bytes),
            _ => return Err(Fault::unknown()),
        }
        Ok(Answer::default())
    }
}

#[derive(Default)]
struct ByRoutes(Sums);

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 256)]
impl ByRoutes {
    #[on_request("method.0")]
    async fn method_0(&self, bytes: Vec<u8>) {
        self.0.add(0, &bytes);
    }

    #[on_request("method.1")]
    async fn method_1(&self, bytes: Vec<u8>) {
        self.0.add(1, &bytes);
    }

    #[on_request("method.2")]
    async fn method_2(&self, bytes: Vec<u8>) {
        self.0.add(2, &bytes);
    }

    #[on_request("method.3")]
    async fn method_3(&self, bytes: Vec<u8>) {
        self.0.add(3, &bytes);
    }

    #[on_request("method.4")]
    async fn method_4(&self, bytes: Vec<u8>) {
        self.0.add(4, &bytes);
    }

    #[on_request("method.5")]
    async fn method_5(&self, bytes: Vec<u8>) {
        self.0.add(5, &bytes);
    }

    #[on_request("method.6")]
    async fn method_6(&self, bytes: Vec<u8>) {
        self.0.add(6, &bytes);
    }

    #[on_request("method.7")]
    async fn method_7(&self, bytes: Vec<u8>) {
        self.0.add(7, &bytes);
    }
}

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    id: u32,
    #[frame(rest)]
    body: &'a [u8],
}

#[derive(Frame)]
#[frame(tag = u8)]
enum Command<'a> {
    #[frame(tag = 0)]
    A(Echo<'a>),
    #[frame(tag = 1)]
    B(Echo<'a>),
    #[frame(tag = 2)]
    C(Echo<'a>),
    #[frame(tag = 3)]
    D(Echo<'a>),
}

struct MatchedVariants;

#[netpoll::server]
impl MatchedVariants {
    #[on_request]
    fn handle<'a>(&self, command: Command<'a>) -> Echo<'a> {
        match command {
            Command::A(echo) | Command::B(echo) | Command::C(echo) | Command::D(echo) => echo,
        }
    }
}

struct RoutedVariants;

#[netpoll::server(frame = Command<'_>)]
impl RoutedVariants {
    #[on_request(Command::A)]
    fn a<'a>(&self, echo: Echo<'a>) -> Echo<'a> {
        echo
    }

    #[on_request(Command::B)]
    fn b<'a>(&self, echo: Echo<'a>) -> Echo<'a> {
        echo
    }

    #[on_request(Command::C)]
    fn c<'a>(&self, echo: Echo<'a>) -> Echo<'a> {
        echo
    }

    #[on_request(Command::D)]
    fn d<'a>(&self, echo: Echo<'a>) -> Echo<'a> {
        echo
    }
}

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("match") => serve(EventLoop::builder(ByMatch::default())),
        Some("routes") => serve(ByRoutes::default().builder()),
        Some("matched-variants") => serve(EventLoop::builder(MatchedVariants)),
        Some("routed-variants") => serve(EventLoop::builder(RoutedVariants)),
        _ => Err(io::Error::other(
            "costs match|routes|matched-variants|routed-variants: which server?",
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves on a port of its own, which it prints.
fn serve<S: Service>(builder: netpoll::EventLoopBuilder<S>) -> io::Result<()> {
    let server = builder.listen("127.0.0.1:0").bind().map_err(io::Error::other)?;
    println!("listening on {}", server.addresses()[0]);
    io::stdout().flush()?;
    server.serve().map(drop).map_err(io::Error::other)
}
