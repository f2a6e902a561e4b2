//! A codec: its format changes with what came before, and it writes with what it remembers.

mod common;

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use common::{connect, serve, wait_until};
use netpoll::{
    Call, Coded, Connection, Dispatch, Error, ErrorKind, Flow, Frame, Out, Result, Service,
    frame::{
        Auto, Codec, Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, FrameErrorKind,
        Progress, ScanError, Scanner, Window,
    },
    service::Free,
};
use parking_lot::Mutex;

#[derive(Frame)]
struct Hello<'a>(#[frame(until = b"\n", max = 32)] &'a str);

/// A word, or the number of one that came before.
#[derive(Frame)]
struct Word<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    number: u8,
    #[frame(rest)]
    word: &'a str,
}

/// A greeting, then words: each is sent once, and by its number from then on.
#[derive(Default)]
struct Talk {
    greeted: bool,
    came: Vec<String>,
    sent: HashMap<String, u8>,
}

enum In<'a> {
    Hello(&'a str),
    Word(String),
}

impl Codec for Talk {
    type Scan = (<Hello<'static> as Frame>::Scan, <Word<'static> as Frame>::Scan);
    type In<'a> = In<'a>;
    type Out<'a> = &'a str;

    fn scan(
        &mut self,
        (hello, word): &mut Self::Scan,
        w: &Window<'_>,
        max: usize,
    ) -> Result<Progress, ScanError> {
        if self.greeted { word.scan(w, max) } else { hello.scan(w, max) }
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<In<'a>, DecodeError> {
        if !self.greeted {
            self.greeted = true;
            return Hello::decode(r).map(|hello| In::Hello(hello.0));
        }
        let Word { number, word, .. } = Word::decode(r)?;
        if number == 0 {
            self.came.push(word.to_owned());
            return Ok(In::Word(word.to_owned()));
        }
        let known = self.came.get(usize::from(number) - 1);
        known.cloned().map(In::Word).ok_or_else(|| r.fail(FrameErrorKind::Tag(number.into())))
    }

    fn encode(&mut self, word: &&str, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if let Some(&number) = self.sent.get(*word) {
            return Word { length: Auto::default(), number, word: "" }.encode(w);
        }
        self.sent.insert((*word).to_owned(), self.sent.len() as u8 + 1);
        Word { length: Auto::default(), number: 0, word }.encode(w)
    }
}

/// Answers a greeting by a greeting, and each word by itself.
fn answer(out: &mut Out<'_>, request: Coded<'_, Talk>) -> Result<Flow> {
    let word = match &request.message {
        In::Hello(name) => name,
        In::Word(word) => word.as_str(),
    };
    out.put_with(request.codec, &word)?;
    Ok(Flow::Continue)
}

#[derive(Default)]
struct Echo<const ASYNC: bool> {
    errors: Arc<Mutex<Vec<ErrorKind>>>,
}

impl<const ASYNC: bool> Service for Echo<ASYNC> {
    type Session = ();
    type Request = Coded<'static, Talk>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        request: Coded<'a, Talk>,
    ) -> Result<Flow> {
        if ASYNC {
            netpoll::sleep(Duration::from_millis(1)).await;
        }
        answer(&mut call.out, request)
    }

    fn on_error(&self, _: &Connection, error: &Error) {
        self.errors.lock().push(error.kind());
    }
}

fn word(number: u8, word: &str) -> Vec<u8> {
    [&(word.len() as u16 + 1).to_be_bytes()[..], &[number], word.as_bytes()].concat()
}

/// What a client sends, and what it is answered.
fn talk(name: &str) -> (Vec<u8>, Vec<u8>) {
    let sent = [
        format!("{name}\n").into_bytes(),
        word(0, "one"),
        word(0, "two"),
        word(1, ""),
        word(2, ""),
        word(0, name),
    ];
    let answered = [
        word(0, name),
        word(0, "one"),
        word(0, "two"),
        word(2, ""),
        word(3, ""),
        // It was sent as the answer to the greeting.
        word(1, ""),
    ];
    (sent.concat(), answered.concat())
}

fn hears(client: &mut TcpStream, expected: &[u8]) {
    let mut answer = vec![0; expected.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, expected);
}

fn echoes<const ASYNC: bool>() {
    let (_runtime, server) = serve(Echo::<ASYNC>::default(), |b| b);
    let (sent, answered) = talk("ann");
    // Cut at every place: also between the phases, and not at all.
    for cut in 0..=sent.len() {
        let mut client = connect(&server);
        client.set_nodelay(true).unwrap();
        client.write_all(&sent[..cut]).unwrap();
        client.write_all(&sent[cut..]).unwrap();
        hears(&mut client, &answered);
    }
    // A byte at a time, on two connections in turns: each has a codec of its own.
    let (other, others) = talk("bob");
    let (mut ann, mut bob) = (connect(&server), connect(&server));
    for (a, b) in sent.iter().zip(&other) {
        ann.write_all(&[*a]).unwrap();
        bob.write_all(&[*b]).unwrap();
    }
    hears(&mut ann, &answered);
    hears(&mut bob, &others);
}

#[test]
fn a_handshake_changes_what_is_spoken() {
    echoes::<false>();
}

#[test]
fn a_future_brings_the_codec_back() {
    echoes::<true>();
}

#[test]
fn what_is_wrong_closes_the_connection() {
    let cases: [(&[u8], ErrorKind); 4] = [
        // A word's number that none has.
        (b"ann\n\0\x01\x05", ErrorKind::Malformed),
        (b"ann\n\0\x01", ErrorKind::Eof),
        (b"an", ErrorKind::Eof),
        (&[b'a'; 40], ErrorKind::FrameTooLarge),
    ];
    for (sent, kind) in cases {
        let service = Echo::<false>::default();
        let errors = service.errors.clone();
        let (runtime, server) = serve(service, |b| b);
        let mut client = connect(&server);
        client.write_all(sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Unread bytes may reset it.
        let _ = client.read_to_end(&mut answer);
        wait_until(|| runtime.stats().connections == 0);
        assert_eq!(*errors.lock(), [kind], "{}", sent.escape_ascii());
    }
}

#[netpoll::on_request]
fn by_attribute(mut out: Out<'_>, request: Coded<'_, Talk>) -> Result<Flow> {
    answer(&mut out, request)
}

#[test]
fn a_handler_takes_it_as_its_last_argument() {
    let (_runtime, server) = serve(Free::<by_attribute>::new(), |b| b);
    let (sent, answered) = talk("eve");
    let mut client = connect(&server);
    client.write_all(&sent).unwrap();
    hears(&mut client, &answered);
}
