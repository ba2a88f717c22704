//! The far end: reads one request, does it on this host, writes events and the reply.

use std::io::{BufRead, Write};

use super::wire::{Answer, LONGEST_LINE, PROTOCOL, read_ask};
use crate::error::CommandError;
use crate::host::Target;

/// Serves one request. A caller that went away does not stop what was begun: its lines are dropped.
pub fn serve(host: &mut dyn Target, input: impl BufRead, output: &mut dyn Write) {
    let mut say = |answer: &Answer| {
        // Nobody reads any more: finish all the same.
        let _ = write_line(output, answer);
    };
    let release = env!("CARGO_PKG_VERSION").to_owned();
    say(&Answer::Hello { protocol: PROTOCOL, release });
    let reply = first_line(input)
        .and_then(|line| read_ask(&line))
        .and_then(|request| host.ask(request, &mut |event| say(&Answer::Event(event))));
    say(&match reply {
        Ok(reply) => Answer::Reply(reply),
        Err(error) => Answer::Failed(error),
    });
}

fn first_line(input: impl BufRead) -> Result<String, CommandError> {
    let mut line = String::new();
    let limit = LONGEST_LINE as u64 + 1;
    input.take(limit).read_line(&mut line).map_err(|source| {
        CommandError::refused("the agent cannot read its request").caused_by(&source)
    })?;
    if line.len() > LONGEST_LINE {
        return Err(CommandError::refused("the request is too long"));
    }
    Ok(line)
}

fn write_line(output: &mut dyn Write, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
