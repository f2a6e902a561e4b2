//! Servers by hand, for what no server of this library does.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;

/// A listener with a thread for each connection; all end when it is dropped.
pub struct ByHand {
    pub address: String,
    inner: Arc<Inner>,
    accepts: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Inner {
    accepted: AtomicUsize,
    stopped: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl ByHand {
    /// Runs `serve` for each connection; it is told how many came before.
    pub fn start(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), serve)
    }

    pub fn at(
        address: SocketAddr,
        serve: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (inner, serve) = (Arc::new(Inner::default()), Arc::new(serve));
        let shared = inner.clone();
        let accepts = thread::spawn(move || {
            let mut threads = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if shared.stopped.load(SeqCst) {
                    break;
                }
                shared.streams.lock().push(stream.try_clone().unwrap());
                let (serve, nth) = (serve.clone(), shared.accepted.fetch_add(1, SeqCst));
                let closes = stream.try_clone().unwrap();
                threads.push(thread::spawn(move || {
                    serve(stream, nth);
                    // The copies keep it open. It may have ended already.
                    let _ = closes.shutdown(Shutdown::Both);
                }));
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        Self { address, inner, accepts: Some(accepts) }
    }

    /// Has the system drop what comes for the connections that there are, as if their cable were cut.
    #[cfg(target_os = "linux")]
    pub fn cut(&self) {
        // The BPF program `ret #0`: no byte of a packet is kept.
        let nothing = [socket2::SockFilter::new(6, 0, 0, 0)];
        for stream in &*self.inner.streams.lock() {
            socket2::SockRef::from(stream).attach_filter(&nothing).unwrap();
        }
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.inner.accepted.load(SeqCst)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.inner.stopped.store(true, SeqCst);
        drop(TcpStream::connect(&self.address));
        for stream in self.inner.streams.lock().drain(..) {
            // It may have ended already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(accepts) = self.accepts.take() {
            accepts.join().unwrap();
        }
    }
}

/// The next frame: its length and the rest. `None` at the connection's end.
pub fn next_frame(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).ok()?;
    let length = u32::from_be_bytes(frame[..].try_into().unwrap());
    frame.resize(4 + length as usize, 0);
    stream.read_exact(&mut frame[4..]).ok()?;
    Some(frame)
}

/// Echoes frames.
pub fn echo(mut stream: TcpStream) {
    while let Some(frame) = next_frame(&mut stream) {
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
}

/// Reads whatever comes, to the end, and answers nothing.
pub fn swallow(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).is_ok_and(|n| n > 0) {}
}
