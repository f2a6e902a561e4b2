use netpoll::rpc::{Answer, Call};

struct Kv;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, layers = netpoll::layers::Trace)]
impl Kv {
    #[on_request("get")]
    fn get(&self) {}
}

fn main() {
    let _: (Option<Call<'_>>, Option<Answer<'_>>) = (None, None);
    let _ = Kv.serve();
}
