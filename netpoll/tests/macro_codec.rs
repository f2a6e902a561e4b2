//! A codec named by the attributes: handlers take and give its frames.

mod common;

use std::io::{Read, Write};

use common::{connect, serve, wait_until};
use netpoll::{
    Flow, IntoErrorReply, Replies, Result, ServerHandle,
    frame::{
        Codec, DecodeError, Decoder, EncodeError, Encoder, FrameErrorKind, Progress, ScanError,
        Window,
    },
    service::{Free, Reply},
};

/// Numbers, each as its difference from the one before, in four bytes.
#[derive(Default)]
struct Differences {
    came: i32,
    sent: i32,
}

/// What comes, with its digits.
struct Came<'a> {
    number: i32,
    digits: &'a [u8],
}

struct Answer(i32);

impl Reply for Answer {}

impl Codec for Differences {
    type Scan = ();
    type In<'a> = Came<'a>;
    type Out<'a> = Answer;

    fn scan(&mut self, (): &mut (), w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        Ok(if w.len() < 4 { Progress::Need(4) } else { Progress::Ready(4) })
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<Came<'a>, DecodeError> {
        let digits = r.bytes(4)?;
        let by = i32::from_be_bytes(digits.try_into().expect("four bytes"));
        self.came =
            self.came.checked_add(by).ok_or_else(|| r.fail(FrameErrorKind::Range(by.into())))?;
        Ok(Came { number: self.came, digits })
    }

    fn encode(&mut self, answer: &Answer, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&answer.0.wrapping_sub(self.sent).to_be_bytes())?;
        self.sent = answer.0;
        Ok(())
    }
}

#[netpoll::on_request(codec = Differences)]
fn twice(came: Came<'_>) -> Answer {
    assert_eq!(came.digits.len(), 4);
    Answer(2 * came.number)
}

#[netpoll::server(on_request = twice)]
struct Named;

/// It has no square root.
struct Negative;

impl IntoErrorReply<Answer> for Negative {
    fn into_error_reply(self) -> Result<Answer> {
        Ok(Answer(-1))
    }
}

#[derive(Default)]
struct Roots;

#[netpoll::server(codec = Differences)]
impl Roots {
    #[on_request]
    async fn root(&self, asked: &mut u32, came: Came<'_>) -> Result<Answer, Negative> {
        *asked += 1;
        netpoll::sleep(std::time::Duration::from_millis(1)).await;
        match came.number {
            n if n < 0 => Err(Negative),
            n => Ok(Answer(n.isqrt())),
        }
    }
}

#[netpoll::on_request(codec = Differences)]
fn count(came: Came<'_>) -> Replies<impl Iterator<Item = Flow<Answer>> + use<>> {
    let last = came.number;
    Replies((1..=last).map(move |n| match n == last {
        true => Flow::CloseAfter(Answer(n)),
        false => Flow::Reply(Answer(n)),
    }))
}

/// Sends numbers in single bytes, and reads so many answers.
fn ask(server: &ServerHandle, numbers: &[i32], answers: usize) -> Vec<i32> {
    let mut client = connect(server);
    client.set_nodelay(true).unwrap();
    let mut before = 0;
    for number in numbers {
        for byte in (number - std::mem::replace(&mut before, *number)).to_be_bytes() {
            client.write_all(&[byte]).unwrap();
        }
    }
    let mut sum = 0;
    let mut next = || {
        let mut bytes = [0; 4];
        client.read_exact(&mut bytes).unwrap();
        sum += i32::from_be_bytes(bytes);
        sum
    };
    (0..answers).map(|_| next()).collect()
}

#[test]
fn a_free_function_by_itself_and_named_by_a_struct() {
    let (runtime, server) = serve(Free::<twice>::new(), |b| b);
    let named = common::serve_on(&runtime, Named, |b| b);
    for server in [server, named] {
        assert_eq!(ask(&server, &[5, 7, -3, 100], 4), [10, 14, -6, 200]);
        assert_eq!(ask(&server, &[1], 1), [2], "each connection has its own");
    }
}

#[test]
fn a_server_whose_handler_waits() {
    let (_runtime, server) = serve(Roots, |b| b);
    assert_eq!(ask(&server, &[16, 0, -4, 81, 82], 5), [4, 0, -1, 9, 9]);
}

#[test]
fn many_answers() {
    let (_runtime, server) = serve(Free::<count>::new(), |b| b);
    assert_eq!(ask(&server, &[5], 5), [1, 2, 3, 4, 5]);
    wait_until(|| server.live() == 0);
}
