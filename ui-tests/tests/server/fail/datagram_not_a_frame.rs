struct Query(u8);

#[netpoll::on_datagram]
fn handle(query: Query) {
    let _ = query.0;
}

fn main() {}
