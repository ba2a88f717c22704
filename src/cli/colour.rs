//! `--color`, before the command line is parsed: what is wrong with it is told in colour, too.

use anstream::ColorChoice;

/// Has everything that prints go by what was asked for: by `--color`, else by the environment.
pub(super) fn as_asked() {
    let words: Vec<_> = std::env::args_os().skip(1).take_while(|word| word != "--").collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let mut asked = words.iter().enumerate().filter_map(|(place, word)| match word.as_ref() {
        "--color" => words.get(place + 1).map(|value| value.as_ref()),
        word => word.strip_prefix("--color="),
    });
    let choice = match asked.next_back() {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ if is_set("FORCE_COLOR") && !is_set("NO_COLOR") => ColorChoice::Always,
        // NO_COLOR, CLICOLOR_FORCE, TERM=dumb and whether it is a terminal.
        _ => ColorChoice::Auto,
    };
    choice.write_global();
}

#[expect(clippy::disallowed_methods, reason = "an edge: what the environment says of colours")]
fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}
