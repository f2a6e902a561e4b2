use netpoll::{Flow, IntoErrorReply, Replies, Result};
use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Refused;

impl<'a> IntoErrorReply<Echo<'a>> for Refused {
    fn into_error_reply(self) -> Result<Echo<'a>> {
        Ok(Echo { n: Auto::default(), body: b"no" })
    }
}

#[netpoll::on_request]
fn nothing(_request: Echo<'_>) {}

#[netpoll::on_request]
fn frame<'a>(request: Echo<'a>) -> Echo<'a> {
    request
}

#[netpoll::on_request]
fn option(request: Echo<'_>) -> Option<Echo<'_>> {
    (!request.body.is_empty()).then_some(request)
}

#[netpoll::on_request]
fn result(request: Echo<'_>) -> Result<Echo<'_>, Refused> {
    if request.body.is_empty() { Err(Refused) } else { Ok(request) }
}

#[netpoll::on_request]
fn io_result(_request: Echo<'_>) -> std::io::Result<()> {
    Ok(())
}

#[netpoll::on_request]
fn flow(request: Echo<'_>) -> Flow<Echo<'_>> {
    Flow::CloseAfter(request)
}

#[netpoll::on_request]
async fn result_of_flow(_request: Echo<'_>) -> Result<Flow> {
    Ok(Flow::Detach)
}

#[netpoll::on_request]
fn iterator(request: Echo<'_>) -> Replies<impl Iterator<Item = Echo<'_>>> {
    Replies(std::iter::once(request))
}

fn main() {
    let _ = (nothing {}, frame {}, option {}, result {}, io_result {}, flow {}, result_of_flow {}, iterator {});
}
