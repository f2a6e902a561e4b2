use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Call<'a> {
    #[frame(len(of = rest), route)]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

fn main() {}
