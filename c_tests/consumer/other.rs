//! Another Rust static library, to be linked into one program with WarpEngine's.

/// Allocates, panics and catches: the symbols that would collide are in use.
#[no_mangle]
pub extern "C" fn other_rust_library() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    std::panic::catch_unwind(|| std::panic::panic_any(String::from("42")))
        .ok()
        .map_or_else(|| 42, |()| 0)
}
