//! The command `impasto`: parse, run, exit code; nothing else.

// What is printed goes through `cli::print`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
