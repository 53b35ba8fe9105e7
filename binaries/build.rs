//! Has the programs built anew when a page changes; it builds nothing itself.

fn main() {
    println!("cargo:rerun-if-changed=../web/pages");
    println!("cargo:rerun-if-changed=../web/sdk");
}
