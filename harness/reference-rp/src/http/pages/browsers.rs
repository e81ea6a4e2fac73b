//! What the relying party makes of user agents: nothing, unless it is told to make the mistakes of those who do.

use axum::http::{HeaderMap, header};

use crate::{
    defects::{Defect, Defects},
    verify::{Refusal, refuse},
};

/// What a user agent has before the version of the system, the system's name, and the least version.
const GATES: [(&str, &str, u32); 5] = [
    ("iPhone OS ", "iOS", 17),
    ("CPU OS ", "iPadOS", 17),
    ("Android ", "Android", 14),
    ("Mac OS X ", "macOS", 13),
    ("Windows NT ", "Windows", 10),
];

/// Tells whether a request's browser may go on to a ceremony.
pub(in crate::http) fn admit(defects: &Defects, headers: &HeaderMap) -> Result<(), Refusal> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if defects.has(Defect::UserAgentAllowList) && !is_listed(agent) {
        return refuse("browser", "this browser is not supported");
    }
    if defects.has(Defect::UserAgentVersionGate)
        && let Some((system, least)) = too_old(agent)
    {
        let message =
            format!("this browser is not supported: passkeys need {system} {least} or later");
        return refuse("browser", message);
    }
    Ok(())
}

fn is_listed(agent: &str) -> bool {
    ["Windows NT", "Macintosh", "iPhone"]
        .iter()
        .any(|known| agent.contains(known))
}

fn too_old(agent: &str) -> Option<(&'static str, u32)> {
    let (before, system, least) = GATES.iter().find(|(before, ..)| agent.contains(before))?;
    let (_, version) = agent.split_once(before)?;
    let major = version
        .split(|other: char| !other.is_ascii_digit())
        .next()?;
    (major.parse::<u32>().ok()? < *least).then_some((system, *least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_reads_what_browsers_froze() {
        for (agent, gate) in [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
                Some(("macOS", 13)),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 16_5 like Mac OS X)",
                Some(("iOS", 17)),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)",
                None,
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X)",
                Some(("iPadOS", 17)),
            ),
            ("Mozilla/5.0 (Linux; Android 10; K)", Some(("Android", 14))),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 9)", None),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", None),
            (
                "Mozilla/5.0 (Windows NT 6.1; Win64; x64)",
                Some(("Windows", 10)),
            ),
            ("", None),
        ] {
            assert_eq!(too_old(agent), gate, "{agent}");
        }
    }
}
