//! Who takes part in the votes of a run, and what comes of it.

use std::collections::HashMap;

use crate::record::VoteConfig;

/// One who takes part in a vote: its name, its weight, and what it gives.
pub type Part<'a, T> = (&'a str, f64, T);

/// What members and votes give, by name: predictors, or what these have said. Each is made once, however many votes it takes
/// part in.
pub struct Votes<'a, T, M, V> {
    votes: &'a [VoteConfig],
    /// Makes what a member gives.
    member: M,
    /// Makes what a vote gives, of those who take part in it.
    vote: V,
    known: HashMap<&'a str, T>,
}

impl<'a, T: Clone, E, M, V> Votes<'a, T, M, V>
where
    M: Fn(&'a str) -> Result<T, E>,
    V: Fn(&'a VoteConfig, Vec<Part<'a, T>>) -> Result<T, E>,
{
    /// Votes in order; `member` makes what a member gives, `vote` what a vote gives, of those who take part in it.
    pub fn new(votes: &'a [VoteConfig], member: M, vote: V) -> Self {
        Self { votes, member, vote, known: HashMap::new() }
    }

    /// What the member or the vote of this name gives.
    ///
    /// # Errors
    /// Those of making it.
    pub fn of(&mut self, name: &'a str) -> Result<T, E> {
        self.before(self.votes.len(), name)
    }

    /// As [`Votes::of`] for the vote with the number `end`, which is of members and of votes before it alone.
    fn before(&mut self, end: usize, name: &'a str) -> Result<T, E> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let votes = self.votes;
        let found = match votes.iter().take(end).enumerate().find(|(_, vote)| vote.vote == name) {
            None => (self.member)(name)?,
            Some((at, vote)) => {
                let part = |(number, name): (usize, &'a String)| {
                    Ok((&**name, vote.weight(number), self.before(at, name)?))
                };
                let parts = vote.of.iter().enumerate().map(part).collect::<Result<_, E>>()?;
                (self.vote)(vote, parts)?
            }
        };
        self.known.insert(name, found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use re_ensemble::Vote;

    use super::*;

    #[test]
    fn each_is_made_once_and_votes_are_of_what_comes_before_them() {
        let vote = |name: &str, of: &[&str]| VoteConfig {
            vote: name.to_owned(),
            how: Vote::Mean,
            of: of.iter().map(|name| (*name).to_owned()).collect(),
            weights: None,
        };
        // The last one is of itself, as a file that was changed by hand may say: then it is a member of that name.
        let votes = [vote("v", &["a", "b"]), vote("w", &["v", "a"]), vote("x", &["x"])];
        let made = RefCell::new(Vec::new());
        let member = |name: &str| {
            made.borrow_mut().push(name.to_owned());
            Ok::<_, ()>(name.to_owned())
        };
        let count = |_: &VoteConfig, parts: Vec<Part<'_, String>>| {
            let parts: Vec<String> = parts.into_iter().map(|(.., part)| part).collect();
            Ok(format!("({})", parts.join(" ")))
        };
        let mut all = Votes::new(&votes, member, count);
        assert_eq!(all.of("w").unwrap(), "((a b) a)");
        assert_eq!(all.of("v").unwrap(), "(a b)");
        assert_eq!(all.of("x").unwrap(), "(x)");
        assert_eq!(*made.borrow(), ["a", "b", "x"]);
    }
}
