//! Derived frames against hand-written code on the same buffers, and against other crates.
//!
//! `cargo bench -p netpoll-benches --bench frame` takes times. With `--count NAME N` it does one
//! thing N times and nothing else, for an instruction counter: see `.ci/frame-instructions`.

mod by_hand;
mod derived;
mod peers;
mod request;
mod request_derived;
mod samples;

use std::hint::black_box;

use criterion::Criterion;
use netpoll::{
    buf::LinkBuffer,
    frame::{self, Arena, Encode, Frame, Progress, Scanner, Window},
};

/// Finds and decodes the frame that `input` holds, and drops it.
#[inline(never)]
fn decode<F: Frame>(input: &LinkBuffer, arena: &Arena) {
    let progress = F::Scan::default().scan(&Window::new(input), 1 << 20);
    let Ok(Progress::Ready(n)) = black_box(progress) else { panic!("a whole frame") };
    black_box(frame::decode::<F>(input, n, arena).expect("a sample"));
}

/// Bytes that are gathered before they are sent.
const MARK: usize = 60_000;

/// Encodes `value` behind what `out` holds, as the answers of one turn gather.
fn encode(value: &impl Encode, out: &mut LinkBuffer) {
    frame::write(out, |w| value.encode(w)).expect("a sample");
    if out.malloc_len() > MARK {
        out.flush();
        black_box(&out);
        out.clear();
    }
}

/// A thing to measure: its name, and what does it once.
type Case = (String, Box<dyn FnMut()>);

fn pair<D, H>(name: &str, wire: Vec<u8>, cases: &mut Vec<Case>)
where
    D: Frame + 'static,
    H: Frame + 'static,
    for<'a> D::At<'a>: Encode,
    for<'a> H::At<'a>: Encode,
{
    fn both<F: Frame + 'static>(name: String, wire: &[u8], cases: &mut Vec<Case>)
    where
        for<'a> F::At<'a>: Encode,
    {
        let input = LinkBuffer::try_from(wire).expect("memory");
        let decoded = input.peek_slice(wire.len()).expect("all of it");
        let kept: &'static _ = Box::leak(Box::new(decoded));
        let arena: &'static Arena = Box::leak(Box::default());
        let value = frame::decode::<F>(kept, kept.len(), arena).expect("a sample");
        cases.push((
            format!("decode/{name}"),
            Box::new(move || decode::<F>(black_box(&input), black_box(&Arena::new()))),
        ));
        let mut out = LinkBuffer::new();
        cases.push((
            format!("encode/{name}"),
            Box::new(move || encode(black_box(&value), &mut out)),
        ));
    }
    both::<D>(format!("{name}/derived"), &wire, cases);
    both::<H>(format!("{name}/by-hand"), &wire, cases);
}

/// A frame that is only read.
fn read<F: Frame + 'static>(name: &str, wire: &[u8], cases: &mut Vec<Case>) {
    let input = LinkBuffer::try_from(wire).expect("memory");
    cases.push((
        format!("decode/{name}"),
        Box::new(move || decode::<F>(black_box(&input), black_box(&Arena::new()))),
    ));
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let all = &mut cases;
    pair::<derived::Bench<'_>, by_hand::Bench<'_>>("bench", samples::bench(), all);
    pair::<derived::H2<'_>, by_hand::H2<'_>>("http2", samples::http2(), all);
    pair::<derived::Kafka<'_>, by_hand::Kafka<'_>>("kafka", samples::kafka(), all);
    pair::<derived::Ws<'_>, by_hand::Ws<'_>>("websocket", samples::websocket(), all);
    pair::<derived::Resp<'_>, by_hand::Resp<'_>>("resp", samples::resp(), all);
    read::<netpoll_examples::resp::Request<'_>>("request/example", &samples::resp(), all);
    read::<request_derived::Request<'_>>("request/derived", &samples::resp(), all);
    read::<request::Request<'_>>("request/by-hand", &samples::resp(), all);
    peers::add(all);
    cases
}

fn count(name: &str, times: u64) {
    let mut cases = cases();
    let Some((_, case)) = cases.iter_mut().find(|(n, _)| n == name) else {
        panic!("no case {name}");
    };
    (0..times).for_each(|_| case());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().position(|a| a == "--count") {
        Some(at) => count(&args[at + 1], args[at + 2].parse().expect("a number")),
        None if args.iter().any(|a| a == "--list-cases") => {
            cases().iter().for_each(|(name, _)| println!("{name}"));
        }
        None => {
            let mut criterion = Criterion::default().configure_from_args();
            for (name, mut case) in cases() {
                criterion.bench_function(&name, |b| b.iter(&mut case));
            }
            criterion.final_summary();
        }
    }
}
