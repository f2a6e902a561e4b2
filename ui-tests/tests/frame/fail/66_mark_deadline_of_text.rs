use netpoll::Frame;

#[derive(Frame)]
struct Call<'a> {
    #[frame(deadline(ms), prefix = u8)]
    millis: &'a str,
}

fn main() {}
