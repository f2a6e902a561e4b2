//! The DNS server, asked by `dig`, `kdig`, `dnsperf`, dnspython and Go's resolver, and by garbage.

use std::{
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use netpoll_examples::testing::{printed, python, real_client};

use crate::server::Server;

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_dns"))
}

/// What `program` prints for `args`, asked at `server`.
fn ask(program: &Path, server: &Server, args: &[&str]) -> String {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let mut command = Command::new(program);
    command.arg(format!("@{host}")).args(["-p", port]).args(args);
    printed(&mut command)
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn dig_gets_right_answers() {
    let Some(dig) = real_client("dig") else { return };
    let server = start();
    let short = |args: &[&str]| ask(&dig, &server, &[&["+short", "+tries=2"], args].concat());
    let full = |args: &[&str]| ask(&dig, &server, &[&["+tries=2"], args].concat());
    for how in [&["+notcp"][..], &["+tcp"], &["+noedns"], &["+bufsize=4096"], &["+bufsize=512"]] {
        let short = |args: &[&str]| short(&[how, args].concat());
        assert_eq!(lines(&short(&["web.example.org"])), ["192.0.2.80", "192.0.2.81"], "{how:?}");
        // Names are written as they were asked for.
        let alias = short(&["WWW.example.ORG", "AAAA"]).to_lowercase();
        assert_eq!(alias, "web.example.org.\n2001:db8::80\n", "{how:?}");
        assert_eq!(short(&["example.org", "MX"]), "10 mail.example.org.\n");
        assert_eq!(short(&["_sip._udp.example.org", "SRV"]), "1 2 5060 mail.example.org.\n");
        assert_eq!(short(&["any.wild.example.org"]), "192.0.2.99\n");
        assert_eq!(short(&["example.org", "TXT"]), "\"v=spf1 mx -all\"\n");
        assert_eq!(short(&["away.example.org"]), "elsewhere.example.net.\n");
    }
    let none = full(&["nothing.example.org"]);
    assert!(none.contains("status: NXDOMAIN") && none.contains("SOA\tns1.example.org."), "{none}");
    assert!(none.contains("300\tIN"), "how long it may be kept: {none}");
    let empty = full(&["in.it.example.org"]);
    assert!(empty.contains("status: NOERROR") && empty.contains("ANSWER: 0"), "{empty}");
    let refused = full(&["example.net"]);
    assert!(refused.contains("status: REFUSED"), "{refused}");
    let referral = full(&["+norecurse", "host.sub.example.org"]);
    assert!(referral.contains("ns.sub.example.org.\t3600\tIN\tA\t192.0.2.53"), "{referral}");
    assert!(!referral.contains("flags: qr aa"), "{referral}");
    for how in ["+tcp", "+notcp"] {
        let any = full(&[how, "web.example.org", "ANY"]);
        assert!(any.contains("ANSWER: 3") && any.contains("flags: qr aa"), "{any}");
    }
    let version = full(&["+edns=1", "+noednsnegotiation", "web.example.org"]);
    assert!(version.contains("status: BADVERS"), "{version}");
    let operation = full(&["+opcode=4", "+noedns", "web.example.org"]);
    assert!(operation.contains("status: NOTIMP"), "{operation}");
}

#[test]
fn an_answer_that_is_too_long_is_truncated_and_whole_by_a_stream() {
    let Some(dig) = real_client("dig") else { return };
    let server = start();
    let full = |args: &[&str]| ask(&dig, &server, &[&["+tries=2"], args].concat());
    let cut = full(&["+ignore", "+noedns", "big.example.org", "TXT"]);
    assert!(cut.contains("flags: qr aa tc") && cut.contains("ANSWER: 0"), "{cut}");
    let fits = full(&["+ignore", "+bufsize=1232", "big.example.org", "TXT"]);
    assert!(fits.contains("flags: qr aa rd;") && fits.contains("ANSWER: 5"), "{fits}");
    let cut = full(&["+ignore", "+bufsize=4096", "huge.example.org", "TXT"]);
    assert!(cut.contains("flags: qr aa tc"), "{cut}");
    let again = full(&["+noedns", "huge.example.org", "TXT"]);
    assert!(again.contains("ANSWER: 6") && again.contains("(TCP)"), "{again}");
}

#[test]
fn kdig_gets_right_answers() {
    let Some(kdig) = real_client("kdig") else { return };
    let server = start();
    for how in ["+notcp", "+tcp"] {
        let said = ask(&kdig, &server, &["+short", how, "web.example.org", "A"]);
        assert_eq!(lines(&said), ["192.0.2.80", "192.0.2.81"]);
        // Many questions on one connection.
        let said = ask(
            &kdig,
            &server,
            &["+keepopen", how, "+short", "mail.example.org", "ns1.example.org"],
        );
        assert!(said.contains("192.0.2.25") && said.contains("192.0.2.1"), "{said}");
    }
    let full = ask(&kdig, &server, &["+noidn", "www.example.org", "AAAA"]);
    assert!(full.contains("2001:db8::80") && !full.contains("WARNING"), "{full}");
}

#[test]
fn dnspython_gets_right_answers() {
    let program = r#"
import sys, dns.message, dns.query, dns.rcode, dns.flags
host, port = sys.argv[1].rsplit(":", 1)
for ask in (dns.query.udp, dns.query.tcp):
    for edns in (-1, 0):
        for name, kind, answers in [("web.example.org", "A", 2), ("www.example.org", "AAAA", 2),
                ("example.org", "NS", 2), ("example.org", "SOA", 1), ("1.0.example.org", "PTR", 1)]:
            query = dns.message.make_query(name, kind, use_edns=edns)
            reply = ask(query, host, port=int(port), timeout=10)
            assert reply.rcode() == dns.rcode.NOERROR and reply.flags & dns.flags.AA, reply
            assert sum(len(rrset) for rrset in reply.answer) in (1, answers), reply
            assert (reply.edns >= 0) == (edns >= 0), reply
reply, tcp = dns.query.udp_with_fallback(dns.message.make_query("huge.example.org", "TXT"), host,
                                         port=int(port), timeout=10)
assert tcp and len(reply.answer[0]) == 6, reply
print("right")
"#;
    let Some(mut command) = python("dns.message", program) else { return };
    let server = start();
    assert_eq!(printed(command.arg(&server.address)), "right\n");
}

#[test]
fn gos_resolver_gets_right_answers() {
    let Some(go) = real_client("go") else { return };
    let server = start();
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dns_go");
    fs::create_dir_all(&dir).unwrap();
    let program = r#"package main

import ("context"; "fmt"; "net"; "os"; "sort")

func main() {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, os.Args[1])
	}
	r := &net.Resolver{PreferGo: true, Dial: dial}
	ctx := context.Background()
	hosts, err := r.LookupHost(ctx, "www.example.org.")
	sort.Strings(hosts)
	fmt.Println(hosts, err)
	mx, err := r.LookupMX(ctx, "example.org.")
	fmt.Println(len(mx), mx[0].Host, mx[0].Pref, err)
	txt, err := r.LookupTXT(ctx, "huge.example.org.")
	fmt.Println(len(txt), err)
	_, err = r.LookupHost(ctx, "nothing.example.org.")
	fmt.Println(err.(*net.DNSError).IsNotFound)
}
"#;
    fs::write(dir.join("main.go"), program).unwrap();
    let mut command = Command::new(go);
    command.args(["run", "main.go", &server.address]).current_dir(&dir);
    command.env("GOCACHE", dir.join("cache")).env("GO111MODULE", "off");
    assert_eq!(
        printed(&mut command),
        "[192.0.2.80 192.0.2.81 2001:db8::80] <nil>\n1 mail.example.org. 10 <nil>\n6 <nil>\ntrue\n"
    );
}

#[test]
fn dnsperf_uses_it() {
    let Some(dnsperf) = real_client("dnsperf") else { return };
    let server = start();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dnsperf.txt");
    fs::write(&path, "web.example.org A\nexample.org MX\nno.example.org A\n").unwrap();
    for mode in ["udp", "tcp"] {
        let mut command = Command::new(&dnsperf);
        command.args(["-s", host, "-p", port, "-m", mode, "-l", "1", "-c", "4", "-d"]).arg(&path);
        let said = printed(&mut command);
        assert!(said.contains("Queries lost:         0 (0.00%)"), "{said}");
        assert!(said.contains("NXDOMAIN"), "{said}");
    }
}

/// Numbers that a seed makes.
fn numbers(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

/// Asks until the answer comes: a socket whose buffer is full drops questions. Replies to garbage may come before.
fn answered(client: &UdpSocket, ask: &[u8]) -> Vec<u8> {
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut reply = [0; 4_096];
    for _ in 0..40 {
        client.send(ask).unwrap();
        while let Ok(n) = client.recv(&mut reply) {
            if n == 76 && reply[..2] == ask[..2] {
                return reply[..n].to_vec();
            }
        }
    }
    panic!("it is dead: no answer to 40 questions");
}

#[test]
fn ten_thousand_datagrams_of_garbage_harm_nothing() {
    let server = start();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(&server.address).unwrap();
    let ask = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03web\x07example\x03org\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let mut next = numbers(0x5EED);
    for i in 0..10_000 {
        let garbage = match i % 4 {
            // Of any length; a question with bytes changed, cut off, or gone on with.
            0 => (0..next() % 2_000).map(|_| next() as u8).collect(),
            kind => {
                let mut bytes = ask.to_vec();
                for _ in 0..=next() % 4 {
                    let at = next() as usize % bytes.len();
                    bytes[at] = next() as u8;
                }
                match kind {
                    1 => bytes.truncate(next() as usize % bytes.len()),
                    2 => bytes.extend((0..next() % 600).map(|_| next() as u8)),
                    _ => {}
                }
                bytes
            }
        };
        client.send(&garbage).unwrap();
        if i % 100 == 0 {
            answered(&client, ask);
        }
    }
    drop(client);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(&server.address).unwrap();
    let reply = answered(&client, ask);
    let two = reply.windows(4).filter(|window| window.starts_with(&[192, 0, 2])).count();
    assert_eq!(two, 2, "both addresses");
}
