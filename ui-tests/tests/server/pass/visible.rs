//! Servers that other modules see, with what they take.
#![deny(unreachable_pub, private_interfaces, private_bounds)]

mod inner {
    use netpoll::{Frame, frame::Auto};

    #[derive(Frame)]
    pub(crate) struct Echo<'a> {
        #[frame(len(of = rest))]
        n: Auto<u32>,
        #[frame(rest)]
        body: &'a [u8],
    }

    #[derive(Default)]
    pub(crate) struct Count(u32);

    pub(crate) struct Server;

    #[netpoll::server]
    impl Server {
        #[on_request]
        fn echo<'a>(&self, count: &mut Count, request: Echo<'a>) -> Echo<'a> {
            count.0 += 1;
            request
        }
    }
}

fn main() {
    let _ = inner::Server.builder();
}
