//! Datagrams in memory: what the seed does to them, and what servers and clients make of it.

use std::time::Duration;

use netpoll::{
    DatagramOptions, ErrorKind, EventLoop, Frame, UdpClient,
    client::Attempts,
    service::Free,
    testing::{Network, each_seed},
};

#[derive(Clone, Debug, Frame, PartialEq)]
#[frame(datagram)]
struct Note<'a> {
    #[frame(seq)]
    number: u32,
    #[frame(rest)]
    text: &'a [u8],
}

type Own = Note<'static>;

#[netpoll::on_datagram]
fn echo<'a>(note: Note<'a>) -> Note<'a> {
    note
}

fn server(network: &Network) -> EventLoop {
    network.serve(EventLoop::builder(Free::<echo>::new()).pollers(1), "10.0.0.1:53").unwrap()
}

#[test]
fn every_call_is_answered_in_spite_of_loss_repetition_and_reordering() {
    each_seed(16, |seed| {
        let network = Network::new(seed).loss(20).duplication(20).reordering(20);
        let _server = server(&network);
        let attempts = Attempts::new(60).wait_first(Duration::from_millis(10)).backoff(1);
        let builder = UdpClient::builder().attempts(attempts);
        let client = network.connect(builder, "10.0.0.2:9", "10.0.0.1:53").unwrap();
        for i in 0..30_u8 {
            let reply = client.call::<Own, Own>(Note { number: 0, text: &[i] }).unwrap();
            assert_eq!(reply.get().unwrap().text, [i], "the reply of this call, and of no other");
        }
        let stats = network.stats();
        assert!(stats.lost > 0 && stats.duplicated > 0 && stats.reordered > 0, "{stats:?}");
    });
}

#[test]
fn the_seed_says_what_happens() {
    let run = |seed| {
        let network = Network::new(seed).loss(30).duplication(10).reordering(20);
        let to = network.client(UdpClient::builder(), "10.0.0.2:9").unwrap();
        let from = network.connect(UdpClient::builder(), "10.0.0.3:9", "10.0.0.2:9").unwrap();
        assert!(to.try_recv().unwrap().is_none());
        for i in 0..100_u8 {
            from.send_bytes(&[i]).unwrap();
        }
        network.deliver();
        let expected = 100 - network.stats().lost + network.stats().duplicated;
        (0..expected).map(|_| to.recv_timeout(Duration::from_secs(20)).unwrap()[0]).collect()
    };
    let first: Vec<u8> = run(3);
    assert_eq!(first, run(3));
    assert_ne!(first, run(4));
    assert!(!first.is_sorted(), "some came late");
}

#[test]
fn a_datagram_that_is_too_long_is_cut_off_in_memory_too() {
    let network = Network::new(0);
    let mut options = DatagramOptions::default();
    options.max_datagram = 16;
    let builder = UdpClient::builder().options(options);
    let to = network.client(builder, "10.0.0.2:9").unwrap();
    let from = network.connect(UdpClient::builder(), "10.0.0.3:9", "10.0.0.2:9").unwrap();
    from.send_bytes(&[0; 17]).unwrap();
    let error = to.recv_timeout(Duration::from_secs(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FrameTooLarge);
    from.send_bytes(&[0; 16]).unwrap();
    assert_eq!(to.recv_timeout(Duration::from_secs(20)).unwrap().len(), 16);
    let taken = network.client(UdpClient::builder(), "10.0.0.2:9").unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Address);
}

#[test]
fn a_shutdown_answers_what_waits_in_memory() {
    let network = Network::new(0);
    let server = server(&network);
    let client = network.connect(UdpClient::builder(), "10.0.0.2:9", "10.0.0.1:53").unwrap();
    for i in 0..100_u32 {
        client.send(Note { number: i, text: b"" }).unwrap();
    }
    server.handle().shutdown(Duration::from_secs(20));
    for i in 0..100_u32 {
        let came = client.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(came.frame::<Own>().unwrap().number, i);
    }
}
