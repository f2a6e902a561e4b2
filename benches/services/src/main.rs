//! Calls of a typed service, each peer by its own protocol, server and client: this project's `#[netpoll::service]`,
//! tarpc and tonic.
//!
//! ```sh
//! cargo run --release --manifest-path benches/services/Cargo.toml
//! ```
//!
//! `add(a, b)` of two integers is called over 4 connections with 64 calls in flight on each. Server and client have a
//! core each from their first instruction on. Rounds alternate between the peers; what is shown are medians and ranges
//! of the calls for each second of the server's, the client's and both processes' processor time.

mod load;
mod of_netpoll;
mod of_tarpc;
mod of_tonic;
mod process;

use std::{env, error::Error, io::Write};

use load::{Figures, Load};
use process::Server;

type Outcome = Result<(), Box<dyn Error>>;

const PEERS: [&str; 3] = ["netpoll", "tarpc", "tonic"];
const CORES: [usize; 2] = [0, 1];

fn main() -> Outcome {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", peer] => serve(peer),
        ["call", peer, address, server, secs] => {
            let load = Load::new(4, 64, server.parse()?, secs.parse()?);
            call(peer, address, Box::leak(Box::new(load)))
        }
        [] => compare(5, "2"),
        [rounds, secs] => compare(rounds.parse()?, secs),
        _ => Err("[ROUNDS SECONDS]".into()),
    }
}

fn serve(peer: &str) -> Outcome {
    process::pin(CORES[0])?;
    match peer {
        "netpoll" => of_netpoll::serve(),
        "tarpc" => of_tarpc::serve(),
        _ => of_tonic::serve(),
    }
}

fn call(peer: &str, address: &str, load: &'static Load) -> Outcome {
    process::pin(CORES[1])?;
    match peer {
        "netpoll" => of_netpoll::call(address, load),
        "tarpc" => of_tarpc::call(address, load),
        _ => of_tonic::call(address, load),
    }
}

/// Tells the parent where the server listens.
fn announce(address: String) {
    println!("{address}");
    let _ = std::io::stdout().flush();
}

fn compare(rounds: usize, secs: &str) -> Outcome {
    let mut all = PEERS.map(|_| Vec::<Figures>::new());
    for round in 0..rounds {
        for turn in 0..PEERS.len() {
            let nth = (round + turn) % PEERS.len();
            let server = Server::start(PEERS[nth])?;
            all[nth].push(server.measured(PEERS[nth], secs)?);
        }
    }
    let names = ["calls/s", "calls/server's CPU s", "calls/client's CPU s", "calls/CPU s of both"];
    println!("| peer | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
    for (peer, figures) in PEERS.iter().zip(&all) {
        print!("| {peer} |");
        for nth in 0..names.len() {
            let (least, median, most) = spread(figures.iter().map(|figures| figures.0[nth]));
            print!(" {median:.0} ({least:.0} - {most:.0}) |");
        }
        println!();
    }
    for (peer, figures) in PEERS.iter().zip(&all).skip(1) {
        print!("netpoll / {peer}:");
        for (nth, name) in names.iter().enumerate() {
            let ratios =
                all[0].iter().zip(figures).map(|(ours, theirs)| ours.0[nth] / theirs.0[nth]);
            let (least, median, most) = spread(ratios);
            print!(" {name} {median:.2} ({least:.2} - {most:.2});");
        }
        println!();
    }
    Ok(())
}

/// The least, the median and the most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}
