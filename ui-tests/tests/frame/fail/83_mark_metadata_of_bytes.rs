use netpoll::Frame;

#[derive(Frame)]
struct Call<'a> {
    #[frame(metadata, prefix = u8)]
    facts: &'a [u8],
}

fn main() {}
