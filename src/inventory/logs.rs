//! `logs:` of a program: how logrotate rotates its log.

use super::fields::{Keys, Reader};
use super::file::{Node, Value};
use super::findings::Finding;
use super::program::{LogFrequency, Logs};

pub(super) const KEYS: Keys<'static> = Keys {
    of: "`logs`",
    known: &["rotate", "maxage", "size", "frequency", "compress"],
    instead: &[
        ("maxsize", "size"),
        ("daily", "write `frequency: daily`"),
        ("weekly", "write `frequency: weekly`"),
        ("monthly", "write `frequency: monthly`"),
        ("hourly", "write `frequency: hourly`"),
    ],
    shared: false,
};

/// One layer of `logs`.
#[derive(Clone, Default)]
pub(super) struct LogOptions {
    rotate: Option<u32>,
    maxage: Option<u32>,
    size: Option<u64>,
    frequency: Option<LogFrequency>,
    compress: Option<bool>,
}

impl LogOptions {
    pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Self {
        let Some(fields) = reader.fields(node, &KEYS) else { return Self::default() };
        let frequencies = [
            ("hourly", LogFrequency::Hourly),
            ("daily", LogFrequency::Daily),
            ("weekly", LogFrequency::Weekly),
            ("monthly", LogFrequency::Monthly),
        ];
        Self {
            rotate: fields.get("rotate").and_then(|n| reader.whole(n, "rotate", 0, 10_000)),
            maxage: fields.get("maxage").and_then(|n| reader.whole(n, "maxage", 1, 36_500)),
            size: fields.get("size").and_then(|n| size(reader, n)),
            frequency: fields
                .get("frequency")
                .and_then(|n| reader.choice(n, "frequency", &frequencies)),
            compress: fields.get("compress").and_then(|n| reader.boolean(n, "compress")),
        }
    }

    /// This layer over `base`.
    pub(super) fn over(self, base: &Self) -> Self {
        let Self { rotate, maxage, size, frequency, compress } = self;
        Self {
            rotate: rotate.or(base.rotate),
            maxage: maxage.or(base.maxage),
            size: size.or(base.size),
            frequency: frequency.or(base.frequency),
            compress: compress.or(base.compress),
        }
    }

    pub(super) fn into_logs(self) -> Logs {
        let base = Logs::default();
        Logs {
            rotate: self.rotate.unwrap_or(base.rotate),
            maxage: self.maxage.unwrap_or(base.maxage),
            size: self.size.or(base.size),
            frequency: self.frequency.unwrap_or(base.frequency),
            compress: self.compress.unwrap_or(base.compress),
        }
    }
}

/// Bytes, or a number with logrotate's `k`, `M` or `G` (in either case), which are powers of 1024.
fn size(reader: &mut Reader<'_, '_>, node: &Node) -> Option<u64> {
    let text = match &node.value {
        Value::Number => reader.source.slice(node.defined),
        Value::Text(text) => text.as_str(),
        _ => "",
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: Option<u64> = match text.get(digits.len()..).unwrap_or_default() {
        "" => Some(1),
        "k" | "K" => Some(1 << 10),
        "m" | "M" => Some(1 << 20),
        "g" | "G" => Some(1 << 30),
        _ => None,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let bytes = digits
        .parse::<u64>()
        .ok()
        .filter(|_| plain)
        .and_then(|number| number.checked_mul(unit?))
        .filter(|bytes| (1..=1 << 50).contains(bytes));
    if bytes.is_none() {
        let message = "`size` must be a number of bytes, or one with k, M or G";
        reader.push(Finding::new(node.at, message).help("for example `size: 100M`"));
    }
    bytes
}
