//! What does not copy is where it was; what is drained owns nothing.

use bytes::Bytes;
use netpoll::{
    ErrorKind,
    buf::{LinkBuffer, LinkSlice, ReadError},
    mem::{self, Slice},
};

fn slice_of(bytes: &[u8]) -> Slice {
    let mut block = mem::alloc(bytes.len()).unwrap();
    block.claim(bytes.len()).copy_from_slice(bytes);
    block.into_slice()
}

fn two_nodes() -> (LinkBuffer, *const u8, *const u8) {
    let (a, b) = (slice_of(b"first-"), slice_of(b"second"));
    let at = (a.as_ptr(), b.as_ptr());
    let mut buffer = LinkBuffer::new();
    buffer.push(a);
    buffer.push(b);
    (buffer, at.0, at.1)
}

#[test]
fn next_and_peek_within_a_node_borrow_it() {
    let (mut b, first, second) = two_nodes();
    assert_eq!(b.peek(6).unwrap().as_ptr(), first);
    assert_eq!(b.next(6).unwrap().as_ptr(), first);
    assert_eq!(b.next(6).unwrap().as_ptr(), second);
}

#[test]
fn next_across_nodes_copies_only_what_it_lends() {
    let (mut b, _, second) = two_nodes();
    assert_eq!(b.next(8).unwrap(), b"first-se");
    assert_eq!(b.next(4).unwrap().as_ptr(), second.wrapping_add(2));
}

#[test]
fn peek_across_nodes_joins_them_once() {
    let (mut b, _, second) = two_nodes();
    let joined = b.peek(8).unwrap().as_ptr();
    assert_eq!(b.peek(8).unwrap().as_ptr(), joined);
    assert_eq!(b.node(1).as_ptr(), second.wrapping_add(2));
    assert_eq!(b.to_vec(), b"first-second");
}

#[test]
fn slice_append_push_and_prepend_never_copy() {
    let (mut b, first, second) = two_nodes();
    let chain = b.slice(12).unwrap();
    let at = |s: &LinkSlice| s.chunks().map(<[u8]>::as_ptr).collect::<Vec<_>>();
    assert_eq!(at(&chain), [first, second]);
    assert_eq!(at(&chain.slice(2..8)), [first.wrapping_add(2), second]);

    let mut out = LinkBuffer::new();
    out.append_slice(chain.clone());
    out.flush();
    let mut outer = LinkBuffer::new();
    outer.write_str("0").unwrap();
    outer.append(out);
    outer.flush();
    assert_eq!(outer.node(1).as_ptr(), first);
    assert_eq!(outer.node(2).as_ptr(), second);

    let mut back = LinkBuffer::new();
    back.prepend(outer);
    assert_eq!(back.node(2).as_ptr(), second);
    assert_eq!(back.to_vec(), b"0first-second");
}

#[test]
fn bytes_go_in_and_out_without_a_copy() {
    let payload = Bytes::from(vec![1u8; 5000]);
    let mut b = LinkBuffer::new();
    b.write_bytes(payload.clone()).unwrap();
    b.flush();
    assert_eq!(b.read_bytes(5000).unwrap().as_ptr(), payload.as_ptr());

    let s = slice_of(b"own block");
    let at = s.as_ptr();
    b.push(s);
    assert_eq!(b.read_bytes(9).unwrap().as_ptr(), at);
}

#[test]
fn a_foreign_owner_is_dropped_with_its_last_slice() {
    struct Owner(std::sync::mpsc::Sender<()>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned elsewhere"
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (gone, is_gone) = std::sync::mpsc::channel();
    let mut s = Slice::from_bytes(Bytes::from_owner(Owner(gone))).unwrap();
    let part = s.split_to(5);
    drop(s);
    assert!(is_gone.try_recv().is_err());
    assert_eq!(&*part, b"owned");
    drop(part);
    assert!(is_gone.try_recv().is_ok());
}

#[test]
fn reads_into_one_block_make_one_node_and_give_the_block_back() {
    let mut block = mem::alloc(4000).unwrap();
    let mut b = LinkBuffer::new();
    for _ in 0..10 {
        block.claim(100).fill(7);
        b.push(block.take_filled());
    }
    assert_eq!((b.len(), b.node_count()), (1000, 1));
    assert!(!block.try_reset());
    b.skip(1000).unwrap();
    assert!(block.try_reset(), "a drained buffer still holds the block");
    assert_eq!(block.spare_len(), block.capacity());
}

#[test]
fn what_next_lent_stays_until_the_next_call_or_tidy() {
    let mut block = mem::alloc(4000).unwrap();
    let mut b = LinkBuffer::new();
    let mut fill = |b: &mut LinkBuffer| {
        assert!(block.try_reset());
        block.claim(100).fill(7);
        b.push(block.take_filled());
        b.next(100).unwrap();
        assert_eq!((b.len(), b.retained()), (0, 4096));
        assert!(!block.try_reset());
    };
    fill(&mut b);
    b.tidy();
    assert_eq!(b.retained(), 0);
    fill(&mut b);
    b.push(slice_of(b"next"));
    fill(&mut LinkBuffer::new());
    assert_eq!(b.to_vec(), b"next");
}

#[test]
fn flushes_into_one_block_make_one_node() {
    let mut b = LinkBuffer::new();
    for _ in 0..10 {
        b.write(&[1; 100]).unwrap();
        b.flush();
    }
    assert_eq!((b.len(), b.node_count()), (1000, 1));
}

#[test]
fn drained_by_any_way_it_owns_nothing() {
    type Drain = fn(&mut LinkBuffer);
    let ways: [(&str, Drain); 8] = [
        ("skip", |b| b.skip(b.len()).unwrap()),
        ("slice", |b| drop(b.slice(b.len()).unwrap())),
        ("read_bytes", |b| drop(b.read_bytes(b.len()).unwrap())),
        ("read_string", |b| drop(b.read_string(b.len()).unwrap())),
        ("read_byte", |b| while b.read_byte().is_ok() {}),
        ("next, tidy", |b| {
            b.next(b.len()).unwrap();
            b.tidy();
        }),
        ("until, compact_small", |b| {
            while b.until(b'-').is_ok() {}
            b.next(b.len()).unwrap();
            b.compact_small();
        }),
        ("io::Read", |b| {
            std::io::copy(b, &mut std::io::sink()).unwrap();
        }),
    ];
    for (name, drain) in ways {
        let (mut b, ..) = two_nodes();
        b.write_str("and written").unwrap();
        b.flush();
        drain(&mut b);
        assert_eq!((b.len(), b.retained()), (0, 0), "{name}");
    }
}

#[test]
fn nothing_written_can_be_read_before_the_flush() {
    let (mut b, ..) = two_nodes();
    b.write_str("later").unwrap();
    assert_eq!(b.len(), 12);
    b.skip(12).unwrap();
    assert!(matches!(b.next(1), Err(ReadError::Short { wanted: 1, available: 0 })));
    b.flush();
    assert_eq!(b.next(5).unwrap(), b"later");
}

#[test]
fn a_push_comes_before_what_is_unflushed() {
    let mut b = LinkBuffer::new();
    b.write_str("later").unwrap();
    b.push(slice_of(b"now "));
    b.flush();
    assert_eq!(b.to_vec(), b"now later");
}

#[test]
fn errors_name_what_was_wanted_and_change_nothing() {
    let mut b = LinkBuffer::try_from(&b"ab\xffcd"[..]).unwrap();
    let short = netpoll::Error::from(b.next(9).unwrap_err());
    assert_eq!(
        (short.kind(), short.to_string().as_str()),
        (ErrorKind::Eof, "9 bytes wanted, 5 available")
    );
    assert!(matches!(b.until(b"zz"), Err(ReadError::NoDelimiter { searched: 5 })));
    assert!(matches!(b.read_string(5), Err(ReadError::NotUtf8 { valid: 2 })));
    assert_eq!(b.to_vec(), b"ab\xffcd");
}

#[test]
fn a_patch_reaches_across_pieces_and_refuses_shared_bytes() {
    let mut b = LinkBuffer::new();
    b.write(b"....").unwrap();
    b.write_bytes(Bytes::from(vec![b'x'; 6000])).unwrap();
    b.write(&[b'.'; 5000]).unwrap();
    b.patch(0, b"head");
    b.patch(6004 + 4000, b"tail");
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| b.patch(3, b"12")));
    assert!(refused.is_err());
    b.flush();
    let all = b.to_vec();
    assert_eq!((&all[..4], &all[10004..10008]), (&b"head"[..], &b"tail"[..]));
}

#[test]
fn a_big_malloc_takes_a_block_of_its_class() {
    let mut b = LinkBuffer::new();
    b.malloc(100_000).unwrap();
    assert_eq!(b.retained(), 128 << 10);
    b.clear();
    b.malloc(10).unwrap();
    assert_eq!(b.retained(), 4096);
}

#[test]
fn it_is_small_and_goes_to_other_threads() {
    fn is_send<T: Send + 'static>() {}
    fn is_sync<T: Send + Sync + 'static>() {}
    is_send::<LinkBuffer>();
    is_sync::<LinkSlice>();
    is_sync::<Slice>();
    assert!(size_of::<LinkBuffer>() <= 72, "{}", size_of::<LinkBuffer>());
}

#[test]
fn a_frame_with_a_short_head_and_a_long_body_is_one_node() {
    let mut b = LinkBuffer::new();
    b.write(b"before").unwrap();
    b.flush();
    b.write(&16_384_u32.to_be_bytes()).unwrap();
    b.write(&[7; 16_384]).unwrap();
    b.flush();
    let lens: Vec<_> = b.chunks().map(<[u8]>::len).collect();
    assert_eq!(lens, [6, 16_388]);
    assert_eq!(b.to_vec()[..12], *b"before\0\0\x40\0\x07\x07");
}
