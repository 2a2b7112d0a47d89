//! Callers that take turns.

use std::collections::{HashMap, VecDeque};

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// That of a clone of the handle.
    Handle(u64),
    /// That of whoever has this number.
    Key(u64),
}

/// Requests by their numbers. Those of one caller stand in their order, and callers take turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Callers with requests; the first one's turn is next.
    order: VecDeque<Caller>,
    /// Their requests, at least one each.
    requests: HashMap<Caller, VecDeque<u64>>,
}

impl Turns {
    /// Puts a request behind those of its caller. A caller without any comes last.
    pub(crate) fn push(&mut self, caller: Caller, number: u64) {
        let requests = self.requests.entry(caller).or_default();
        if requests.is_empty() {
            self.order.push_back(caller);
        }
        requests.push_back(number);
    }

    /// The request whose turn it is.
    pub(crate) fn first(&self) -> Option<u64> {
        self.requests.get(self.order.front()?)?.front().copied()
    }

    /// Ends the turn of the first caller.
    pub(crate) fn next_turn(&mut self) {
        if !self.order.is_empty() {
            self.order.rotate_left(1);
        }
    }

    /// Takes a request out; false where it is not here.
    pub(crate) fn remove(&mut self, caller: Caller, number: u64) -> bool {
        let Some(requests) = self.requests.get_mut(&caller) else { return false };
        let Some(at) = requests.iter().position(|&other| other == number) else { return false };
        requests.remove(at);
        if requests.is_empty() {
            self.requests.remove(&caller);
            self.order.retain(|&other| other != caller);
        }
        true
    }

    /// All requests, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        self.requests.values().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_take_turns_and_leave_when_they_have_nothing() {
        let [a, b, c] = [Caller::Key(0), Caller::Key(1), Caller::Handle(0)];
        let mut turns = Turns::default();
        for (caller, number) in [(a, 1), (a, 2), (a, 3), (b, 4), (c, 5), (b, 6)] {
            turns.push(caller, number);
        }
        assert!(turns.remove(c, 5) && !turns.remove(c, 5) && !turns.remove(b, 1));
        let mut order = Vec::new();
        while let Some(number) = turns.first() {
            let caller = if number < 4 { a } else { b };
            turns.next_turn();
            assert!(turns.remove(caller, number));
            order.push(number);
        }
        assert_eq!(order, [1, 4, 2, 6, 3]);
        assert_eq!((turns.all().count(), turns.order.len()), (0, 0));
        turns.next_turn();
    }
}
