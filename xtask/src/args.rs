//! The command line.

use std::fmt;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Print the help text.
    Help,
    /// Find or download libtorch.
    Setup,
    /// Set up and train on the embedded default.
    Demo,
    /// Set up and run every test.
    Test,
    /// Report on the machine.
    Doctor,
    /// Measure beside the Python stack.
    Peers,
    /// Renew the tables of the results.
    Results,
}

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// What to do.
    pub command: Command,
    /// `setup --download`: ignore other installs.
    pub download: bool,
    /// `test --all`: install what some tests need.
    pub all: bool,
    /// What stands behind `--`, or all options of `peers` and `results`, for the program that the command starts.
    pub rest: Vec<String>,
}

/// Why a command line was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such command.
    Command(String),
    /// The command has no such option.
    Option(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "there is no command `{name}`"),
            Self::Option(name) => {
                write!(f, "`{name}` is not expected here (arguments to pass on go behind `--`)")
            }
        }
    }
}

impl Arguments {
    /// Reads the words that follow `cargo xtask`.
    ///
    /// # Errors
    /// An unknown command, or an option that the command does not have.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, Refused> {
        let mut words = words.peekable();
        let mut command = match words.next().as_deref() {
            None | Some("help" | "--help" | "-h") => Command::Help,
            Some("setup") => Command::Setup,
            Some("demo") => Command::Demo,
            Some("test") => Command::Test,
            Some("doctor") => Command::Doctor,
            Some("peers") => Command::Peers,
            Some("results") => Command::Results,
            Some(other) => return Err(Refused::Command(other.to_owned())),
        };
        let (mut download, mut all) = (false, false);
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            match (command, word.as_str()) {
                (_, "--help" | "-h") => command = Command::Help,
                (Command::Setup, "--download") => download = true,
                (Command::Test, "--all") => all = true,
                (Command::Demo | Command::Test, "--") => rest.extend(words.by_ref()),
                (Command::Peers | Command::Results, _) => rest.push(word),
                (Command::Help, _) => {}
                _ => return Err(Refused::Option(word)),
            }
        }
        Ok(Self { command, download, all, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Refused> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn no_word_asks_for_help() {
        assert_eq!(parse("").unwrap().command, Command::Help);
        assert_eq!(parse("--help").unwrap().command, Command::Help);
        assert_eq!(parse("demo --help").unwrap().command, Command::Help);
        assert_eq!(parse("help setup").unwrap().command, Command::Help);
    }

    #[test]
    fn what_follows_two_dashes_is_passed_on_unread() {
        let parsed = parse("test -- -p re-data --help -- --nocapture").unwrap();
        assert_eq!(parsed.command, Command::Test);
        assert_eq!(parsed.rest, ["-p", "re-data", "--help", "--", "--nocapture"]);
    }

    #[test]
    fn options_of_other_programs_are_passed_on() {
        assert_eq!(parse("peers --quick --only A,B").unwrap().rest, ["--quick", "--only", "A,B"]);
        assert_eq!(parse("peers --help").unwrap().command, Command::Help);
        assert_eq!(parse("results --check").unwrap().rest, ["--check"]);
    }

    #[test]
    fn options_belong_to_their_command() {
        assert!(parse("setup --download").unwrap().download);
        assert!(parse("test --all").unwrap().all && !parse("test -- --all").unwrap().all);
        assert_eq!(parse("demo --download"), Err(Refused::Option("--download".into())));
        assert_eq!(parse("doctor -- x"), Err(Refused::Option("--".into())));
        assert_eq!(parse("tset"), Err(Refused::Command("tset".into())));
    }
}
