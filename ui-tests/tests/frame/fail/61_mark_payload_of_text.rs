use netpoll::Frame;

#[derive(Frame)]
struct Call<'a> {
    #[frame(payload, prefix = u32)]
    body: &'a str,
}

fn main() {}
