use netpoll::Frame;
use netpoll::frame::Auto;

#[derive(Frame)]
struct F<'a> {
    #[frame(prefix = u8)]
    a: &'a [u8],
    #[frame(crc(netpoll::frame::Crc32, over = a..))]
    sum: Auto<u32>,
}

fn main() {}
