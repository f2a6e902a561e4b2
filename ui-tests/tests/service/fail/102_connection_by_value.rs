use netpoll::{Frame, rpc::{Answer, Call}};

#[derive(Frame)]
#[frame(tag = u8)]
enum Command {
    #[frame(tag = 1)]
    Get(Key),
    #[frame(tag = 2)]
    Drop(Key),
}

#[derive(Frame)]
struct Key {
    key: u8,
}

struct Kv;

#[netpoll::server]
impl Kv {
    #[on_request]
    fn get(&self, conn: netpoll::Connection, key: Key) {
        let _ = (conn, key);
    }
}

fn main() {
    let _: (Option<Command>, Option<Call<'_>>, Option<Answer<'_>>) = (None, None, None);
    let _ = Kv.serve();
}
