//! The command line: the cryptography provider, the arguments, the exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Two libraries would each choose their own; one provider for the process. A second call is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ExitCode::from(transship::cli::main())
}
