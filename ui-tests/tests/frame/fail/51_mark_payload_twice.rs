use netpoll::Frame;

#[derive(Frame)]
struct Call<'a> {
    #[frame(payload, prefix = u8)]
    a: &'a [u8],
    #[frame(payload, prefix = u8)]
    b: &'a [u8],
}

fn main() {}
