//! `crm-server`: the process around the library. Everything it does is in `crm_backend::command`.

use std::process::ExitCode;

fn main() -> ExitCode {
    crm_backend::command::run()
}
