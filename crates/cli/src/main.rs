//! The binary `odradek`.

fn main() -> std::process::ExitCode {
    odradek_cli::main()
}
