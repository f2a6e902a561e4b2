//! A pool takes any frames, a mux those that have a number of one type.

use netpoll::{
    Frame,
    client::{Client, SystemDns},
};

#[derive(Frame)]
struct Plain {
    value: u32,
}

#[derive(Frame)]
struct Ask<'a> {
    #[frame(seq)]
    id: u64,
    #[frame(prefix = u8)]
    what: &'a str,
}

#[derive(Frame)]
struct Told {
    #[frame(seq)]
    id: u64,
}

fn main() -> netpoll::Result<()> {
    Client::<Plain, Plain>::pool("127.0.0.1:1").build()?;
    Client::<Ask<'static>, Plain>::pool(["a:1", "unix:/b"]).build()?;
    Client::<Ask<'static>, Told>::mux(vec!["a:1".to_owned()]).build()?;
    Client::<Told, Told>::mux(SystemDns::new("localhost:1")?).build()?;
    Ok(())
}
