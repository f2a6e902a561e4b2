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

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>)]
impl Kv {
    #[on_request("get")]
    fn get(&self) {}
    #[on_request("get")]
    fn again(&self) {}
}

fn main() {
    let _: (Option<Command>, Option<Call<'_>>, Option<Answer<'_>>) = (None, None, None);
    let _ = Kv.serve();
}
