//! How much longer than usual everything may take that a browser is asked for, on slow machines.

use std::{env, sync::OnceLock, time::Duration};

/// The environment variable with the factor by which the time limits of browsers are longer, from 1 to 100.
pub const VARIABLE: &str = "PASSKEY_PATIENCE";

/// Returns a limit as long as this machine needs it; a variable that is no such number counts as 1.
pub(crate) fn patient(limit: Duration) -> Duration {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    let read = || {
        let number = env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        number.map_or(1, |number: u32| number.clamp(1, 100))
    };
    limit * *FACTOR.get_or_init(read)
}
