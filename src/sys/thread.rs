//! A word of the running thread's own, reached without a call.
//!
//! A shared library reaches its thread-locals through `__tls_get_addr`, since it may be loaded
//! when threads run already: a call and some fifteen instructions, a tenth of a get. On x86-64
//! with the GNU C library the word is declared in assembly with the initial-exec model instead
//! (Drepper, "ELF Handling For Thread-Local Storage", 4.2), which stable Rust cannot ask for: one
//! load for its place in the thread's block, one for the word. The C library keeps room in every
//! thread's block for libraries that come late; this takes 8 bytes of it.
//!
//! The word of a new thread is 0. Nothing runs when a thread ends.

#[cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(miri),
    not(feature = "shuttle")
))]
mod word {
    std::arch::global_asm!(
        ".pushsection .tbss.warp_engine_thread_word,\"awT\",@nobits",
        ".balign 8",
        ".globl warp_engine_thread_word",
        ".hidden warp_engine_thread_word",
        ".type warp_engine_thread_word,@object",
        ".size warp_engine_thread_word,8",
        "warp_engine_thread_word:",
        ".zero 8",
        ".popsection",
    );

    #[inline(always)]
    pub(crate) fn get() -> usize {
        let word;
        // SAFETY: reads the word declared above, in the block of this thread.
        unsafe {
            std::arch::asm!(
                "mov {word}, qword ptr [rip + warp_engine_thread_word@GOTTPOFF]",
                "mov {word}, qword ptr fs:[{word}]",
                word = out(reg) word,
                options(nostack, preserves_flags, readonly),
            );
        }
        word
    }

    pub(crate) fn set(word: usize) {
        // SAFETY: writes the word declared above, in the block of this thread.
        unsafe {
            std::arch::asm!(
                "mov {at}, qword ptr [rip + warp_engine_thread_word@GOTTPOFF]",
                "mov qword ptr fs:[{at}], {word}",
                word = in(reg) word,
                at = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[cfg(not(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(miri),
    not(feature = "shuttle")
)))]
mod word {
    use crate::sync::thread_local;
    use std::cell::Cell;

    thread_local! {
        static WORD: Cell<usize> = const { Cell::new(0) };
    }

    #[inline(always)]
    pub(crate) fn get() -> usize {
        // While the thread's variables go, it has none.
        WORD.try_with(Cell::get).unwrap_or(0)
    }

    pub(crate) fn set(word: usize) {
        let _ = WORD.try_with(|own| own.set(word));
    }
}

pub(crate) use word::{get, set};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_a_word_of_its_own() {
        let of = |n: usize| {
            std::thread::spawn(move || {
                let before = get();
                set(n);
                std::thread::yield_now();
                let after = get();
                set(0);
                (before, after)
            })
        };
        let threads: Vec<_> = (1..=8).map(of).collect();
        for (n, thread) in (1..).zip(threads) {
            assert_eq!(thread.join().unwrap(), (0, n));
        }
    }
}
