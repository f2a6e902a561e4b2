//! The crate's page names what there is.

/// Each feature of the manifest has a row in the table of the crate's page.
#[test]
fn every_feature_has_a_row() {
    let manifest = include_str!("../Cargo.toml");
    let page = include_str!("../src/front.md");
    let (_, features) = manifest.split_once("[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let names = features.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<_> = names.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert!(names.contains(&"default") && names.len() > 5, "{names:?}");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for name in names.iter().filter(|name| **name != "default") {
        let row = rows.iter().find(|row| row.contains(&format!("`{name}`")));
        assert!(row.is_some(), "the feature `{name}` is missing in src/front.md");
    }
}
