//! The binary `odradek`, for the tests of the command line.

fn main() -> std::process::ExitCode {
    odradek_cli::main()
}
