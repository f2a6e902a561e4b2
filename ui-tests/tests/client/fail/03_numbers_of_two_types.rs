use netpoll::{Frame, client::Client};

#[derive(Frame)]
struct Ask {
    #[frame(seq)]
    id: u32,
}

#[derive(Frame)]
struct Told {
    #[frame(seq)]
    id: u64,
}

fn main() {
    let _ = Client::<Ask, Told>::mux("127.0.0.1:9000");
}
