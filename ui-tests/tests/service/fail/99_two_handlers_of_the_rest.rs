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

#[netpoll::server(frame = Command)]
impl Kv {
    #[on_request(Command::Get)]
    fn get(&self, key: Key) -> Key {
        key
    }
    #[on_request]
    fn other(&self, command: Command) {
        drop(command);
    }
    #[on_request]
    fn another(&self, command: Command) {
        drop(command);
    }
}

fn main() {
    let _: (Option<Command>, Option<Call<'_>>, Option<Answer<'_>>) = (None, None, None);
    let _ = Kv.serve();
}
