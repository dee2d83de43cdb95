//! What the package depends on: only crates whose licences `deny.toml` allows, and only from crates.io.
//!
//! `cargo deny check` does more (known vulnerabilities, yanked versions) where it is installed; this runs everywhere.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

/// The licences that `deny.toml` allows: of any crate, and of the crate named.
fn allowed() -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let deny: toml::Table = include_str!("../deny.toml").parse().expect("deny.toml is TOML");
    let names = |list: &toml::Value| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
    };
    let licenses = &deny["licenses"];
    let exceptions = licenses["exceptions"].as_array().expect("a list").iter();
    let exceptions = exceptions.map(|one| (one["crate"].as_str().expect("a name").to_owned(), names(&one["allow"])));
    (names(&licenses["allow"]), exceptions.collect())
}

/// All packages that are compiled on this platform, tests' too.
fn packages() -> Vec<Value> {
    let target = Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc").stdout;
    let target = String::from_utf8(target).expect("a name");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform", target.trim()]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

#[test]
fn licences_and_sources_are_those_allowed() {
    let (of_any, of_one) = allowed();
    let packages = packages();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        // This package itself has no source.
        let source = package["source"].as_str();
        assert!(
            source.is_none_or(|source| source == "registry+https://github.com/rust-lang/crates.io-index"),
            "{name} comes from {source:?}"
        );
        let allowed = of_any.iter().chain(of_one.get(name).into_iter().flatten());
        let Some(license) = package["license"].as_str() else {
            assert!(package["license_file"].is_string(), "{name} says nothing of its licence");
            assert!(of_one.contains_key(name), "{name} has its licence in a file; read it, and name it in deny.toml");
            continue;
        };
        let license = Expression::parse_mode(license, ParseMode::LAX).unwrap_or_else(|why| panic!("{name}: {why}"));
        let fits = license.evaluate(|asked| allowed.clone().any(|name| name == &asked.to_string()));
        assert!(fits, "{name} is under `{license}`, which deny.toml does not allow");
    }
}
