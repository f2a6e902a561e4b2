use netpoll::rpc::{Answer, Call};
use netpoll::layers::Ext;

struct User;

struct Kv;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>)]
impl Kv {
    #[on_request("get")]
    fn get(&self, user: Ext<User>, bytes: Vec<u8>) -> Vec<u8> {
        let _ = user;
        bytes
    }
}

fn main() {
    let _: (Option<Call<'_>>, Option<Answer<'_>>) = (None, None);
    let _ = Kv.serve();
}
