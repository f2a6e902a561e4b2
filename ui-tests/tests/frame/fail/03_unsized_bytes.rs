use netpoll::Frame;

#[derive(Frame)]
struct F<'a> {
    body: &'a [u8],
}

fn main() {}
