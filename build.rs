//! How the shared library is linked. Nothing is generated here: the header is committed, and a
//! test compares it with a fresh generation.
//!
//! - The SONAME carries the ABI version, so that an incompatible library is never loaded.
//! - `-z nodelete`: unloading Rust code while a thread still has its thread-locals crashes.
//! - Exports need no script of ours: rustc writes one that makes everything local but the
//!   `#[no_mangle]` functions, and `tests/abi` compares the result with `abi/symbols.txt`.

/// The number in the SONAME: `WARP_ABI_VERSION` (`tests/abi` compares).
const ABI_VERSION: &str = "0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    match os.as_str() {
        "macos" => {
            let name = format!("@rpath/libwarp_engine.{ABI_VERSION}.dylib");
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,{name}");
        }
        "windows" => {}
        _ => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libwarp_engine.so.{ABI_VERSION}");
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
    }
}
