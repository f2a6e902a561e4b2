//! The program that runs all scenarios: a few seconds of two of them, and what it says.

use std::process::Command;

fn soak(options: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(options).output().unwrap();
    let [said, errors] = [output.stdout, output.stderr].map(|s| String::from_utf8(s).unwrap());
    (output.status.success(), said, errors)
}

#[test]
fn scenarios_hold_for_so_long_and_tell_what_they_did() {
    let options = ["--minutes", "0.05", "--scenarios", "2,4", "--seed", "7"];
    let (holds, said, errors) = soak(&options);
    assert!(holds, "{said}{errors}");
    assert!(said.starts_with("seed 7\n"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains(" holds ")).count(), 2, "{said}");
    let all = said.lines().find(|line| line.starts_with("all ")).unwrap();
    let figures: Vec<_> = all.split_whitespace().collect();
    let [_, _seconds, connections, faults, bytes, leaks] = figures[..] else { panic!("{all}") };
    assert!([connections, faults, bytes].iter().all(|n| n.parse::<u64>().unwrap() > 0), "{all}");
    assert_eq!(leaks, "0");
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let (holds, _, errors) = soak(&["--scenarios", "8"]);
    assert!(!holds);
    assert!(errors.contains("there is no scenario 8; there are 1, 2, 3"), "{errors}");
}
