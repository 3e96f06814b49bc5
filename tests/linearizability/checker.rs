//! Whether a history of one key is linearizable: whether each operation can be given a moment
//! between its call and its return, so that in the order of these moments every answer is right.
//!
//! The search is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993) with Lowe's
//! memory of what was tried ("Testing for linearizability", 2017): take any operation that was
//! called before the first return of one not yet taken; if its answer fits the state, go on from
//! there; never twice with the same operations taken and the same state.

use std::collections::HashSet;

/// What a key holds: `None`, or the number of the write that it is from.
pub type State = Option<u64>;

/// An operation and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Put(u64),
    Get(State),
    /// And whether there was something to delete.
    Delete(bool),
    /// From, to, and whether it was swapped.
    Swap(State, State, bool),
}

impl Operation {
    /// The state afterwards, if the answer fits the state before.
    fn apply(self, state: State) -> Option<State> {
        match self {
            Operation::Put(value) => Some(Some(value)),
            Operation::Get(found) => (found == state).then_some(state),
            Operation::Delete(existed) => (existed == state.is_some()).then_some(None),
            Operation::Swap(from, to, swapped) => match (from == state, swapped) {
                (true, true) => Some(to),
                (false, false) => Some(state),
                _ => None,
            },
        }
    }
}

/// An operation with the moments of its call and its return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub call: u64,
    pub ret: u64,
    pub operation: Operation,
}

/// Whether the history, of a key that held `initial`, is linearizable.
pub fn is_linearizable(initial: State, mut history: Vec<Event>) -> bool {
    history.sort_by_key(|event| event.call);
    let mut taken = vec![0u64; history.len().div_ceil(64)];
    let is_taken = |taken: &[u64], n: usize| taken[n / 64] >> (n % 64) & 1 == 1;
    let mut tried = HashSet::new();
    // What was taken, the state before it, and the first that was not taken then.
    let mut path: Vec<(usize, State, usize)> = Vec::new();
    let (mut state, mut first, mut candidate) = (initial, 0, 0);
    loop {
        while first < history.len() && is_taken(&taken, first) {
            first += 1;
        }
        if first == history.len() {
            return true;
        }
        candidate = candidate.max(first);
        // Before this return nothing that was called later can come first.
        let open = (first..)
            .take_while(|n| history.get(*n).is_some_and(|event| event.call <= history[first].ret));
        let bound = open.filter(|n| !is_taken(&taken, *n)).map(|n| history[n].ret).min();
        let bound = bound.expect("the first is among them");
        let mut next = None;
        for (n, event) in history.iter().enumerate().skip(candidate) {
            if event.call > bound {
                break;
            }
            let after = event.operation.apply(state).filter(|_| !is_taken(&taken, n));
            let Some(after) = after else { continue };
            taken[n / 64] ^= 1 << (n % 64);
            if tried.insert((taken.clone(), after)) {
                next = Some((n, after));
                break;
            }
            taken[n / 64] ^= 1 << (n % 64);
        }
        match next {
            Some((n, after)) => {
                path.push((n, state, first));
                (state, candidate) = (after, 0);
            }
            None => {
                let Some((n, before, was_first)) = path.pop() else { return false };
                taken[n / 64] ^= 1 << (n % 64);
                (state, first, candidate) = (before, was_first, n + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Operation::{Delete, Get, Put, Swap};
    use super::*;

    fn holds(events: &[(u64, u64, Operation)]) -> bool {
        let event = |&(call, ret, operation): &_| Event { call, ret, operation };
        is_linearizable(None, events.iter().map(event).collect())
    }

    #[test]
    fn histories_that_are_right_pass() {
        assert!(holds(&[]));
        assert!(holds(&[(0, 1, Put(1)), (2, 3, Get(Some(1))), (4, 5, Delete(true))]));
        // The get returns before the put does.
        assert!(holds(&[(0, 9, Put(1)), (1, 2, Get(None)), (3, 4, Get(Some(1)))]));
        // Of two swaps from one value one wins, in either order of their calls.
        let swaps = [(2, 8, Swap(Some(1), Some(2), false)), (3, 7, Swap(Some(1), Some(3), true))];
        assert!(holds(&[(0, 1, Put(1)), swaps[0], swaps[1], (9, 10, Get(Some(3)))]));
        // The order of the calls must be undone three times.
        assert!(holds(&[
            (0, 9, Get(Some(3))),
            (1, 9, Put(3)),
            (2, 9, Get(Some(2))),
            (3, 9, Put(2)),
            (4, 9, Get(Some(1))),
            (5, 9, Put(1)),
        ]));
    }

    #[test]
    fn histories_that_are_wrong_are_rejected() {
        assert!(!holds(&[(0, 1, Get(Some(1)))]), "never written");
        assert!(!holds(&[(0, 1, Put(1)), (2, 3, Get(None))]), "lost");
        assert!(!holds(&[(0, 1, Put(1)), (2, 3, Put(2)), (4, 5, Get(Some(1)))]), "stale");
        let seen_and_gone = [(0, 9, Put(1)), (1, 2, Get(Some(1))), (3, 4, Get(None))];
        assert!(!holds(&seen_and_gone), "seen, and then not");
        let both = [(2, 8, Swap(Some(1), Some(2), true)), (3, 7, Swap(Some(1), Some(3), true))];
        assert!(!holds(&[(0, 1, Put(1)), both[0], both[1]]), "both swaps win");
        assert!(!holds(&[(0, 1, Put(1)), (2, 8, Delete(true)), (3, 7, Delete(true))]));
        assert!(!holds(&[(0, 1, Put(1)), (2, 3, Swap(Some(1), None, false))]), "refused");
    }

    /// Every order of some short histories, against a search that tries all permutations.
    #[test]
    fn the_search_agrees_with_a_plain_one() {
        fn plain(state: State, left: &[Event]) -> bool {
            left.is_empty()
                || (0..left.len()).any(|n| {
                    let first = left.iter().all(|other| left[n].call <= other.ret);
                    let after = left[n].operation.apply(state).filter(|_| first);
                    let rest: Vec<Event> =
                        left.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, e)| *e).collect();
                    after.is_some_and(|after| plain(after, &rest))
                })
        }
        let mut word = 1u64;
        let mut random = |n: u64| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            (word >> 33) % n
        };
        let (mut right, mut wrong) = (0, 0);
        for _ in 0..20_000 {
            let event = |_| {
                let call = random(12);
                let state = |n: u64| (n > 0).then_some(n);
                let operation = match random(4) {
                    0 => Put(1 + random(2)),
                    1 => Get(state(random(3))),
                    2 => Delete(random(2) == 0),
                    _ => Swap(state(random(3)), state(random(3)), random(2) == 0),
                };
                Event { call, ret: call + 1 + random(6), operation }
            };
            let history: Vec<Event> = (0..6).map(event).collect();
            let expected = plain(None, &history);
            *if expected { &mut right } else { &mut wrong } += 1;
            assert_eq!(is_linearizable(None, history.clone()), expected, "{history:?}");
        }
        assert!(right > 100 && wrong > 100, "{right} right, {wrong} wrong");
    }
}
