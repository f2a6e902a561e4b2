//! A server with metrics and an endpoint for operators, and what the tests ask it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use netpoll::{
    EventLoop, Frame, Runtime, ServerHandle,
    admin::Admin,
    client::Client,
    metrics::{MetricsObserver, Recorder},
    rpc::{Answer, Call},
};

pub(crate) struct Calculator;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 64)]
impl Calculator {
    #[on_request("double")]
    fn double(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes.iter().map(|byte| byte * 2).collect()
    }

    #[on_request("slow")]
    async fn slow(&self) {
        netpoll::sleep(Duration::from_millis(30)).await;
    }

    #[on_request("boom")]
    async fn boom(&self) -> Vec<u8> {
        panic!("as asked")
    }
}

#[derive(Frame)]
pub(crate) struct Byte {
    byte: u8,
}

/// The server `calculator`, a client, and the endpoint.
pub(crate) struct Bed {
    pub(crate) runtime: Runtime,
    pub(crate) server: ServerHandle,
    pub(crate) client: Client<Call<'static>, Answer<'static>>,
    admin: EventLoop,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let recorder = Recorder::new();
        let runtime = Runtime::builder()
            .pollers(1)
            .max_workers(8)
            .stall_after(Duration::from_millis(200))
            .observer(MetricsObserver::new(recorder.clone()))
            .build()
            .unwrap();
        let builder = EventLoop::builder(Calculator).runtime(&runtime).name("calculator");
        let server = builder.listen("127.0.0.1:0").bind().unwrap();
        let handle = server.handle();
        std::thread::spawn(|| server.serve());
        let admin = Admin::new().server("calculator", &handle).recorder(&recorder);
        let admin = admin.bind("127.0.0.1:0").unwrap();
        let client = Client::mux(handle.addresses()[0].to_string()).connections(1).build().unwrap();
        Self { runtime, server: handle, client, admin }
    }

    pub(crate) fn call(&self, route: &'static str, n: usize) {
        for _ in 0..n {
            self.client.call(Call::new(route, &[7])).unwrap();
        }
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.addresses()[0].inet().unwrap()
    }

    /// The body that the endpoint answers with.
    pub(crate) fn get(&self, path: &str) -> String {
        get(self.admin(), path)
    }

    /// The sum of all samples of `/metrics` whose line begins so and holds all of `labels`.
    pub(crate) fn sample(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics");
        let line = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        };
        text.lines()
            .filter(line)
            .map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}

/// Asks an HTTP server at `address` for `path`, and returns the body.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    try_get(address, path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn try_get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    client.write_all(
        format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned())
}
