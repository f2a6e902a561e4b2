//! Generated values and splits: what is encoded is decoded, whatever the pieces, from few looks at
//! the bytes, and never from more memory than they justify.

mod frame_support;

use frame_support::{add, arrives, formats::Resp};
use netpoll::{
    Frame,
    buf::LinkBuffer,
    frame::{self, Auto, Crc32c, Encode, Progress, Scan, Scanner, U24, Varint, Window},
};
use proptest::{collection::vec, prelude::*};

/// Of every kind of field some.
#[derive(Debug, Frame)]
#[frame(le)]
struct Mixed {
    #[frame(len(of = rest, bias = -3), be)]
    n: Auto<u32>,
    #[frame(bits = 3)]
    a: u8,
    #[frame(bits = 13)]
    b: u16,
    #[frame(crc(Crc32c, over = c..))]
    sum: Auto<u32>,
    #[frame(zigzag)]
    c: i64,
    #[frame(varint)]
    d: u32,
    #[frame(if = a > 3)]
    e: Option<u64>,
    #[frame(prefix = U24, none = 0xff_ffff)]
    f: Option<String>,
    #[frame(len(of = g, unit = 2))]
    m: Auto<u16>,
    g: Vec<u16>,
    #[frame(count_prefix = Varint)]
    h: Vec<(u8, Text)>,
    #[frame(prefix = u8, align = 4)]
    i: Vec<u8>,
    #[frame(rest)]
    j: Vec<Item>,
}

#[derive(Clone, Debug, Frame)]
struct Text(#[frame(until = b"\0")] String);

#[derive(Clone, Debug, Frame)]
#[frame(tag = u16)]
enum Item {
    #[frame(tag = 1)]
    Flag(bool),
    #[frame(tag = 2)]
    Float { value: f64 },
    #[frame(tag = _)]
    Other(u16, #[frame(count_prefix = u8)] Vec<i16>),
}

fn text() -> impl Strategy<Value = String> {
    "[a-z\r\n]{0,12}"
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        any::<bool>().prop_map(Item::Flag),
        any::<i32>().prop_map(|n| Item::Float { value: n.into() }),
        (3u16.., vec(any::<i16>(), 0..4)).prop_map(|(tag, list)| Item::Other(tag, list)),
    ]
}

fn mixed() -> impl Strategy<Value = Mixed> {
    let numbers = (0..8u8, 0..1u16 << 13, any::<i64>(), any::<u32>(), any::<u64>());
    let texts = (proptest::option::of(text()), vec((any::<u8>(), text().prop_map(Text)), 0..4));
    let lists = (vec(any::<u16>(), 0..5), vec(any::<u8>(), 0..9), vec(item(), 0..5));
    (numbers, texts, lists).prop_map(|((a, b, c, d, e), (f, h), (g, i, j))| Mixed {
        n: Auto::default(),
        a,
        b,
        sum: Auto::default(),
        c,
        d,
        e: (a > 3).then_some(e),
        f,
        m: Auto::default(),
        g,
        h,
        i,
        j,
    })
}

/// An owned twin of `Resp`, to generate.
#[derive(Clone, Debug)]
enum Tree {
    Simple(String),
    Int(i64),
    Bulk(Option<Vec<u8>>),
    Array(Option<Vec<Tree>>),
}

impl Tree {
    fn borrowed(&self) -> Resp<'_> {
        match self {
            Self::Simple(text) => Resp::Simple(text),
            Self::Int(n) => Resp::Int(*n),
            Self::Bulk(bytes) => Resp::Bulk(bytes.as_deref()),
            Self::Array(items) => {
                Resp::Array(items.as_ref().map(|items| items.iter().map(Self::borrowed).collect()))
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        "[a-z\r]{0,9}".prop_map(Tree::Simple),
        (-i64::MAX..).prop_map(Tree::Int),
        proptest::option::of(vec(any::<u8>(), 0..20)).prop_map(Tree::Bulk),
        Just(Tree::Array(None)),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        vec(inner, 0..5).prop_map(|items| Tree::Array(Some(items)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_encoded_is_decoded(
        value in mixed(), cuts in vec(any::<usize>(), 0..12), every: bool
    ) {
        arrives::<Mixed>(&value, &cuts, every);
    }

    #[test]
    fn trees_too(value in tree(), cuts in vec(any::<usize>(), 0..12), every: bool) {
        arrives::<Resp<'_>>(&value.borrowed(), &cuts, every);
    }

    #[test]
    fn noise_is_harmless(bytes in vec(any::<u8>(), 0..200)) {
        frame_support::harmless::<Mixed>(&bytes);
        frame_support::harmless::<Resp<'_>>(&bytes);
    }

    #[test]
    fn changed_bytes_are_harmless(
        value in mixed(), other in tree(), changes in vec((any::<usize>(), any::<u8>()), 1..4)
    ) {
        for encode in [&value as &dyn Encode, &other.borrowed()] {
            let mut out = LinkBuffer::new();
            frame::encode(encode, &mut out).unwrap();
            let mut wire = out.to_vec();
            for (at, byte) in &changes {
                let at = at % wire.len();
                wire[at] = *byte;
            }
            frame_support::harmless::<Mixed>(&wire);
            frame_support::harmless::<Resp<'_>>(&wire);
        }
    }
}

/// Bytes looked at, and scans, until the frame `wire` was found in pieces of `piece` bytes.
fn effort<T>(wire: &[u8], piece: usize, obey: bool) -> (u64, usize)
where
    T: frame::Wire<'static> + 'static,
{
    let (mut scanner, mut input) = (Scan::<T>::default(), LinkBuffer::new());
    let (mut scans, mut needed) = (0, 1);
    for part in wire.chunks(piece) {
        add(&mut input, part);
        if obey && input.len() < needed {
            continue;
        }
        scans += 1;
        match scanner.scan(&Window::new(&input), usize::MAX).unwrap() {
            Progress::Ready(n) => assert_eq!(n, wire.len()),
            Progress::Need(n) => needed = n,
        }
    }
    assert_eq!(input.len(), wire.len());
    (scanner.examined(), scans)
}

#[test]
fn ten_thousand_items_byte_by_byte() {
    let items = (0..10_000).map(|i| format!("${}\r\n{i}\r\n", i.to_string().len()));
    let wire = format!("*10000\r\n{}", items.collect::<String>());
    for obey in [true, false] {
        let (examined, scans) = effort::<Resp<'_>>(wire.as_bytes(), 1, obey);
        let bytes = wire.len() as u64;
        assert!(examined <= 4 * bytes, "{examined} looked at in {bytes} bytes");
        assert!(!obey || scans < wire.len() / 10, "{scans} scans of {bytes} bytes");
    }
}

#[test]
fn a_long_line_in_small_pieces() {
    #[derive(Frame)]
    struct Line<'a>(#[frame(until = b"\r\n")] &'a [u8]);
    for filler in [b'x', b'\r'] {
        let wire = [vec![filler; 1 << 20], b"\r\n".to_vec()].concat();
        for piece in [1460, 1] {
            let wire = if piece == 1 { &wire[wire.len() - 20_000..] } else { &wire };
            let (examined, _) = effort::<Line<'_>>(wire, piece, false);
            assert!(examined <= 8 * wire.len() as u64, "{examined} of {}", wire.len());
        }
    }
}

#[test]
fn the_hint_saves_scans() {
    #[derive(Frame)]
    struct Bench<'a> {
        #[frame(len(of = rest))]
        n: Auto<u32>,
        #[frame(rest)]
        body: &'a [u8],
    }
    let wire = [&10_000u32.to_be_bytes()[..], &[7; 10_000]].concat();
    let (examined, scans) = effort::<Bench<'_>>(&wire, 1, true);
    assert_eq!((examined, scans), (8, 3));
}
