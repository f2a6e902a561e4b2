//! Scenario 1, write to a stranger: a late write never reaches whoever got the descriptor next.

mod common;

use std::{
    io::Read,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use common::{
    Bench, call, client, descriptors, runtime,
    scenario::{self, rounds},
    serve_on, wait_until,
};
use netpoll::{Call, CloseReason, Connection, ErrorKind, Flow, Result, Service};

/// What no client may see.
const TAG: &[u8] = &[0xEE; 64];

/// Echoes; on `write` it has a thread write the tag until the connection has ended.
#[derive(Default)]
struct Tagger {
    counts: [AtomicUsize; 3],
    writers: AtomicUsize,
}

struct Tags(std::sync::Arc<Tagger>);

impl Service for Tags {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        self.0.counts[0].fetch_add(1, SeqCst);
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        call.out.put(&req)?;
        if req.0 == b"write" {
            call.out.flush()?;
            let (conn, tagger) = (call.conn.clone(), self.0.clone());
            tagger.writers.fetch_add(1, SeqCst);
            thread::spawn(move || {
                let error = loop {
                    if let Err(error) = conn.write(TAG) {
                        break error;
                    }
                };
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                // A while longer: the descriptor belongs to others now.
                for _ in 0..2000 {
                    assert_eq!(conn.write(TAG).unwrap_err().kind(), ErrorKind::Closed);
                }
                tagger.writers.fetch_sub(1, SeqCst);
            });
        }
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.0.counts[1].fetch_add(1, SeqCst);
        thread::sleep(Duration::from_millis(50));
    }

    async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
        self.0.counts[2].fetch_add(1, SeqCst);
    }
}

#[test]
fn no_client_sees_what_was_written_to_another() {
    for pollers in [1, 2] {
        let baseline = descriptors();
        let tagger = std::sync::Arc::new(Tagger::default());
        let runtime = runtime(pollers);
        let server = serve_on(&runtime, Tags(tagger.clone()), |b| b);
        let mut seen = 0;
        for round in rounds(8, 10_000, 2) {
            let mut first = client(&server);
            assert_eq!(call(&mut first, b"write"), b"write");
            drop(first);
            scenario::faults(1);
            // These get the numbers of the descriptors that were closed.
            let mut strangers: Vec<_> = (0..4).map(|_| client(&server)).collect();
            for _ in 0..5 {
                for (i, stranger) in strangers.iter_mut().enumerate() {
                    let word = format!("{round} {i}");
                    scenario::same(&call(stranger, word.as_bytes()), word.as_bytes());
                }
                thread::sleep(Duration::from_millis(2));
            }
            wait_until(|| tagger.writers.load(SeqCst) == 0);
            for mut stranger in strangers {
                stranger.set_nonblocking(true).unwrap();
                let left = stranger.read(&mut [0]).map_err(|e| e.kind());
                assert_eq!(left, Err(std::io::ErrorKind::WouldBlock));
                seen += 1;
            }
        }
        assert!(seen > 0);
        wait_until(|| runtime.stats().connections == 0);
        let [connects, disconnects, closes] = tagger.counts.each_ref().map(|n| n.load(SeqCst));
        assert_eq!((connects, connects), (disconnects, closes));
        server.shutdown(Duration::from_secs(1));
        drop(server);
        scenario::ends(runtime, baseline);
    }
    scenario::tell();
}
