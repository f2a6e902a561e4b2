use netpoll::{Frame, rpc::Call};

#[derive(Frame)]
struct Key {
    key: u8,
}

#[netpoll::on_request("get")]
fn get(key: Key) -> Key {
    key
}

fn main() {
    let _: Option<Call<'_>> = None;
    let _ = netpoll::server::<get>();
}
