//! The example ends by itself, and shows what it promises.

use std::process::Command;

#[test]
fn light_requests_go_on_beside_heavy_ones() {
    let output = Command::new(env!("CARGO_BIN_EXE_heavy_handlers"))
        .args(["--connections", "50", "--millis", "500"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let rate = |row: &str| -> f64 {
        let line = printed.lines().find(|line| line.trim_start().starts_with(row));
        let words = line.unwrap_or_else(|| panic!("no row {row:?} in\n{printed}"));
        words[row.len()..].split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    };
    assert!(rate("none      yes") > 0.0, "{printed}");
    // Without hand-over it is less by an order of magnitude; the rest is room for a busy machine.
    assert!(rate("1 in 100      yes") > 2.0 * rate("1 in 100       no"), "{printed}");
}
