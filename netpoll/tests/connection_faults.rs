//! Connections: what is given away leaves, what came in time counts, and nobody is woken for nothing.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake},
    time::Duration,
};

use common::{Answer, Bench, Echo, call, connect, frame, read_frame, serve, wait_until};
use netpoll::{Call, Connection, Dialer, Flow, buf::LinkBuffer};

fn dialled() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let conn = Dialer::new().dial(listener.local_addr().unwrap().to_string()).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (conn, peer)
}

/// Written and not flushed: given away it leaves nevertheless.
#[test]
fn what_is_given_away_is_flushed() {
    let (conn, mut peer) = dialled();
    let unflushed = |text: &str| {
        let mut bytes = LinkBuffer::new();
        bytes.write(b"flushed ").unwrap();
        bytes.flush();
        bytes.write(text.as_bytes()).unwrap();
        bytes
    };
    conn.send(unflushed("send,")).unwrap();
    conn.try_send(unflushed("try,")).unwrap();
    netpoll::block_on(conn.send_async(unflushed("async."))).unwrap();
    let mut came = vec![0; 3 * 8 + 15];
    peer.read_exact(&mut came).unwrap();
    assert_eq!(came, b"flushed send,flushed try,flushed async.");
}

#[test]
fn bytes_wake_nobody_who_waits_for_the_end() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let (conn, mut peer) = dialled();
    let counts = Arc::new(Counts(AtomicUsize::new(0)));
    let waker = counts.clone().into();
    let cancel = conn.cancel();
    let mut waits: Vec<_> = (0..1000).map(|_| Box::pin(cancel.cancelled())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let mut reader = conn.reader().unwrap();
    for byte in 0..20 {
        peer.write_all(&[byte]).unwrap();
        assert_eq!(reader.read_byte().unwrap(), byte);
    }
    assert_eq!(counts.0.load(SeqCst), 0);
    drop(peer);
    wait_until(|| counts.0.load(SeqCst) == 1000);
}

/// A read ends before and after the urgent byte, and no event tells of what follows.
#[test]
#[cfg(target_os = "linux")]
fn bytes_behind_an_urgent_one_are_read() {
    let (_runtime, server) = serve(Echo::default(), |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"before"), b"before");
    for cut in [1, 4, 9] {
        let sent = frame(b"cut in two");
        client.write_all(&sent[..cut]).unwrap();
        socket2::SockRef::from(&client).send_out_of_band(b"!").unwrap();
        client.write_all(&sent[cut..]).unwrap();
        assert_eq!(read_frame(&mut client), b"cut in two");
    }
}

#[test]
fn requests_behind_one_that_closes_are_not_begun() {
    for aborts in [false, true] {
        let begun = Arc::new(AtomicUsize::new(0));
        let service = Answer::by({
            let begun = begun.clone();
            move |call: &mut Call<'_, u32>, frame: &[u8]| {
                begun.fetch_add(1, SeqCst);
                call.out.put(&Bench(frame))?;
                match aborts {
                    true => call.conn.abort(),
                    false => call.conn.close(),
                }
                Ok(Flow::Continue)
            }
        });
        let (_runtime, server) = serve(service, |b| b);
        let mut client = connect(&server);
        client.write_all(&[frame(b"1"), frame(b"2"), frame(b"3")].concat()).unwrap();
        let mut came = Vec::new();
        let ended = client.read_to_end(&mut came);
        if !aborts {
            ended.unwrap();
            assert_eq!(came, frame(b"1"), "the answer before the close is sent");
        }
        wait_until(|| server.live() == 0);
        assert_eq!(begun.load(SeqCst), 1);
    }
}

#[test]
fn a_unix_socket_is_read_until_it_is_empty() {
    let path = std::env::temp_dir().join(format!("netpoll-cut-reads-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (_runtime, server) =
        serve(Echo::default(), |b| b.listen(format!("unix:{}", path.display())));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&frame(b"over a file")).unwrap();
    let mut came = [0; 4 + 11];
    client.read_exact(&mut came).unwrap();
    assert_eq!(came[..], frame(b"over a file"));
    drop(server);
}
