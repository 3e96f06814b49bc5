//! Builds the two C++ shims and says what to link: the engine from `target/release` of the tree
//! (or `WARP_LIB_DIR`), the peers from the system.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=WARP_LIB_DIR");
    println!("cargo:rerun-if-changed=shim");
    let tree = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let engine = std::env::var("WARP_LIB_DIR")
        .map_or_else(|_| tree.join("../../target/release"), PathBuf::from);
    println!("cargo:rustc-link-search=native={}", engine.display());
    // The library is found at run time by its SONAME, which the build tree has no file for.
    let link = PathBuf::from(std::env::var("OUT_DIR").expect("set by cargo"));
    let soname = link.join("libwarp_engine.so.0");
    let _ = std::fs::remove_file(&soname);
    std::os::unix::fs::symlink(engine.join("libwarp_engine.so"), &soname)
        .expect("a link in the build's own directory");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", link.display());
    println!("cargo:rustc-link-lib=dylib=warp_engine");

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .warnings(false)
        .file("shim/rocksdb.cc")
        .file("shim/tkrzw.cc")
        .compile("compare_shims");
    for library in ["lmdb", "rocksdb", "tkrzw"] {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
}
