use netpoll::{Frame, buf::LinkSlice, frame::Chunks};

#[derive(Frame)]
struct F<'a> {
    kind: u8,
    body: Chunks<'a>,
}

#[derive(Frame)]
struct G {
    kind: u8,
    #[frame(if = kind == 1)]
    body: Option<LinkSlice>,
    #[frame(prefix = u8)]
    name: String,
}

fn main() {}
