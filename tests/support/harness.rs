//! Runs tests that are found at run time, and understands what `cargo test` is called with. (The
//! crates for this need a procedural macro, which a static build has no place for.)

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lexopt::{Arg, Parser, ValueExt};

/// A test: an error says what is wrong.
pub struct Trial {
    pub name: String,
    /// Runs only where it is asked for, like `#[ignore]`.
    pub ignored: bool,
    pub run: Box<dyn Fn() -> Result<(), String> + Sync>,
}

#[derive(Default)]
struct Choice {
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    ignored_too: bool,
    ignored_only: bool,
    list: bool,
    quiet: bool,
    threads: Option<usize>,
}

/// Runs those of the tests that the command line chooses, some at a time.
pub fn main(trials: &[Trial]) -> ExitCode {
    let choice = match choice() {
        Ok(choice) => choice,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let chosen: Vec<&Trial> = trials.iter().filter(|one| choice.takes(one)).collect();
    if choice.list {
        for trial in chosen {
            println!("{}: test", trial.name);
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(trial) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            if trial.ignored && !choice.ignored_too {
                if !choice.quiet {
                    println!("test {} ... ignored", trial.name);
                }
                continue;
            }
            let panicked = |_| Err("it panicked, see above".to_owned());
            let verdict = catch_unwind(AssertUnwindSafe(&trial.run)).unwrap_or_else(panicked);
            match &verdict {
                Ok(()) if choice.quiet => {}
                Ok(()) => println!("test {} ... ok", trial.name),
                Err(_) => println!("test {} ... FAILED", trial.name),
            }
            if let Err(why) = verdict {
                failures.lock().unwrap().push((trial.name.clone(), why));
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..choice.threads.unwrap_or(cores) {
            scope.spawn(work);
        }
    });
    end(&chosen, &choice, failures.into_inner().unwrap())
}

fn end(chosen: &[&Trial], choice: &Choice, mut failures: Vec<(String, String)>) -> ExitCode {
    failures.sort();
    for (name, why) in &failures {
        println!("\n---- {name}\n{why}");
    }
    let ignored = chosen.iter().filter(|one| one.ignored).count();
    let ignored = if choice.ignored_too { 0 } else { ignored };
    let (result, code) = match failures.is_empty() {
        true => ("ok", ExitCode::SUCCESS),
        false => ("FAILED", ExitCode::FAILURE),
    };
    println!(
        "\ntest result: {result}. {} passed; {} failed; {ignored} ignored\n",
        chosen.len() - ignored - failures.len(),
        failures.len()
    );
    code
}

impl Choice {
    fn takes(&self, trial: &Trial) -> bool {
        let is = |name: &String| match self.exact {
            true => trial.name == *name,
            false => trial.name.contains(name.as_str()),
        };
        (self.names.is_empty() || self.names.iter().any(is))
            && !self.skipped.iter().any(is)
            && (!self.ignored_only || trial.ignored)
    }
}

/// The arguments of Rust's own harness that choose; those about its output change nothing here.
fn choice() -> Result<Choice, lexopt::Error> {
    let mut choice = Choice::default();
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(name) => choice.names.push(name.string()?),
            Arg::Long("skip") => choice.skipped.push(arguments.value()?.string()?),
            Arg::Long("exact") => choice.exact = true,
            Arg::Long("include-ignored") => choice.ignored_too = true,
            Arg::Long("ignored") => (choice.ignored_only, choice.ignored_too) = (true, true),
            Arg::Long("list") => choice.list = true,
            Arg::Long("test-threads") => choice.threads = Some(arguments.value()?.parse()?),
            Arg::Long("format" | "color") => drop(arguments.value()?),
            Arg::Short('q') | Arg::Long("quiet") => choice.quiet = true,
            Arg::Long("nocapture" | "no-capture" | "show-output") => {}
            other => return Err(other.unexpected()),
        }
    }
    Ok(choice)
}
