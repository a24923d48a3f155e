//! `odradek flaws`: the catalogue of historical flaws.

use std::io::Write;

use crate::Status;
use crate::failure::Failure;

/// Lists the catalogue.
pub fn flaws() -> Result<Status, Failure> {
    let mut out = std::io::stdout().lock();
    // 0 is the canary, which is ours.
    let historical = || scenario::FLAWS.iter().filter(|flaw| flaw.number > 0);
    let built = historical().filter(|flaw| flaw.implemented).count();
    writeln!(
        out,
        "{built} of {} historical flaws can be switched on with cluster.flaws (marked *)\n",
        historical().count()
    )?;
    for flaw in scenario::FLAWS {
        let mark = if flaw.implemented { "*" } else { " " };
        writeln!(out, "{mark} {:>2}  {:<36} {:<28} {}", flaw.number, flaw.name, flaw.reference, flaw.meaning)?;
    }
    Ok(Status::Good)
}
