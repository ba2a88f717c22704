//! One line of a log that was told of before, with those around it.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::logs::logs_of;
use crate::api::{ChosenSite, LogsRequest};
use crate::event::{Event, LinePlace, LogLine};
use crate::inventory::{Domain, ProgramName};
use crate::system::follow::Line;
use crate::system::rotated;

/// The place of a line of this log, by which it is found again.
pub(super) fn place_of(path: &Path, line: &Line) -> Option<LinePlace> {
    Some(LinePlace { start: line.start?, digest: digest(path, &line.bytes) })
}

/// By the log's path, too: two processes often log the same in the same place.
fn digest(path: &Path, line: &[u8]) -> u64 {
    let digest = Sha256::new()
        .chain_update(path.as_os_str().as_encoded_bytes())
        .chain_update([0])
        .chain_update(line)
        .finalize();
    digest.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

/// Sends the line at this place and those around it, or says that it is gone.
pub(super) fn send(request: &LogsRequest, place: LinePlace, events: &mut dyn FnMut(Event)) {
    let around = request.lines as usize / 2;
    for ChosenSite { site, programs } in &request.sites {
        for (program, _, paths) in &logs_of(site, programs) {
            for path in paths {
                let is_it = |line: &[u8]| digest(path, line) == place.digest;
                let Some(found) = rotated::find(path, place.start, around, &is_it) else {
                    continue;
                };
                if found.file != *path {
                    let text =
                        format!("the log was rotated since: this is from {}", found.file.display());
                    events(Event::Warning { site: site.domain.clone(), text });
                }
                let tell = |line: &Line| tell((&site.domain, program), path, line, events);
                found.lines.iter().for_each(tell);
                return;
            }
        }
    }
    if let Some(chosen) = request.sites.first() {
        let text = "the line is not in the log any more: what it was rotated to is compressed by \
                    now, or gone";
        events(Event::Warning { site: chosen.site.domain.clone(), text: text.to_owned() });
    }
}

/// Tells one line of a log.
pub(super) fn tell(
    (site, program): (&Domain, &ProgramName),
    path: &Path,
    line: &Line,
    events: &mut dyn FnMut(Event),
) {
    let bytes = line.bytes.strip_suffix(b"\r").unwrap_or(&line.bytes);
    events(Event::LogLine(LogLine {
        site: site.clone(),
        program: program.clone(),
        text: String::from_utf8_lossy(bytes).into_owned(),
        place: place_of(path, line),
    }));
}
