//! Tells the program by which compiler it is built.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=FLOWSTAGE_REVISION");
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(compiler).arg("--version").output().ok();
    if let Some(version) = answer.and_then(|it| String::from_utf8(it.stdout).ok()) {
        println!("cargo::rustc-env=FLOWSTAGE_RUSTC={}", version.trim().trim_start_matches("rustc "));
    }
}
