//! A real Prometheus, of Debian's package of that name, scrapes the endpoint; `curl` reads each of its pages.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::setup::{Bed, try_get};

/// Skips a test whose program is missing, but under CI.
fn is_missing(program: &str) -> bool {
    let missing = Command::new(program).arg("--version").output().is_err();
    if missing {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        println!("skipped: {program} is not installed");
    }
    missing
}

/// A Prometheus with a directory of its own, both removed with it.
struct Prometheus {
    process: Child,
    directory: PathBuf,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts one that scrapes `target` every 200 ms.
    fn start(target: SocketAddr) -> Self {
        let directory =
            std::env::temp_dir().join(format!("netpoll-prometheus-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let configuration = format!(
            "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n  - job_name: netpoll\n    \
             static_configs:\n      - targets: ['{target}']\n"
        );
        fs::write(directory.join("prometheus.yml"), configuration).unwrap();
        // The port may be taken before Prometheus has it: then another is tried.
        for _ in 0..5 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let process = Command::new("prometheus")
                .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdout(Stdio::null())
                .stderr(fs::File::create(directory.join("log")).unwrap())
                .spawn()
                .unwrap();
            let mut this = Self { process, directory: directory.clone(), address };
            let until = Instant::now() + Duration::from_secs(30);
            while this.process.try_wait().unwrap().is_none() {
                if try_get(address, "/-/ready").is_ok_and(|text| text.contains("Ready")) {
                    return this;
                }
                assert!(Instant::now() < until, "Prometheus is not ready: {}", this.log());
                std::thread::sleep(Duration::from_millis(20));
            }
            println!("Prometheus has left: {}", this.log());
            fs::create_dir_all(&directory).unwrap();
        }
        panic!("Prometheus does not start");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The answer to a query of the present.
    fn query(&self, query: &str) -> String {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        try_get(self.address, &format!("/api/v1/query?query={query}")).unwrap_or_default()
    }

    /// Waits until the answer to `query` holds `part`.
    fn wait(&self, query: &str, part: &str) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.query(query).contains(part) {
            assert!(
                Instant::now() < until,
                "{query}: {} has no {part}\n{}",
                self.query(query),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn prometheus_scrapes_the_endpoint() {
    if is_missing("prometheus") {
        return;
    }
    let bed = Bed::new();
    bed.call("double", 40);
    bed.call("slow", 2);
    let prometheus = Prometheus::start(bed.admin());
    prometheus.wait("up{job=\"netpoll\"}", "\"1\"]");
    prometheus.wait(
        "sum(netpoll_requests_total{server=\"calculator\",route=\"double\",outcome=\"ok\"})",
        "\"40\"]",
    );
    prometheus.wait("netpoll_server_connections{server=\"calculator\"}", "\"1\"]");
    prometheus.wait(
        "histogram_quantile(0.5, sum by (le) (netpoll_request_duration_seconds_bucket{route=\"slow\"})) > 0.025",
        "\"value\":",
    );
    // A scrape has no sample that Prometheus drops.
    prometheus.wait("scrape_samples_scraped - scrape_samples_post_metric_relabeling", "\"0\"]");
}

#[test]
fn curl_reads_each_page() {
    if is_missing("curl") {
        return;
    }
    let bed = Bed::new();
    bed.call("double", 1);
    for (path, kind, part) in [
        ("/", "text/html", "<!doctype html>"),
        ("/metrics", "text/plain; version=0.0.4", "netpoll_requests_total{"),
        ("/healthz", "text/plain", "ok"),
        ("/readyz", "text/plain", "calculator ready"),
        ("/connections", "application/json", "\"server\":\"calculator\""),
        ("/stalls", "application/json", "["),
        ("/runtime", "application/json", "\"requests\":"),
    ] {
        let asked = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "20", "--include"])
            .arg(format!("http://{}{path}", bed.admin()))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&asked.stdout);
        assert!(asked.status.success(), "{path}: {}", String::from_utf8_lossy(&asked.stderr));
        assert!(
            text.contains(&format!("Content-Type: {kind}")) && text.contains(part),
            "{path}: {text}"
        );
    }
}
