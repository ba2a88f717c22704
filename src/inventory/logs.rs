//! `logs:` of a program: how logrotate rotates its log.

use super::fields::Reader;
use super::file::Node;
use super::keys::{Key, Keys, Kind};
use super::program::{LogFrequency, Logs};

pub(super) static KEYS: Keys = Keys {
    of: "`logs`",
    known: &[
        Key::new(
            "rotate",
            Kind::Whole { least: 0, most: 10_000 },
            "14",
            "How many rotated logs are kept.",
        )
        .default("`5`"),
        Key::new(
            "maxage",
            Kind::Whole { least: 1, most: 36_500 },
            "7",
            "Days after which a rotated log is removed.",
        )
        .default("`30`"),
        Key::new(
            "size",
            Kind::Size,
            "100M",
            "Rotate early when the log is larger: bytes, or `100k`, `100M`, `1G` (powers of 1024).",
        )
        .default("no limit"),
        Key::new(
            "frequency",
            Kind::Word(LogFrequency::WORDS),
            "weekly",
            "`hourly`, `daily`, `weekly` or `monthly`.",
        )
        .default("`daily`"),
        Key::new("compress", Kind::Boolean, "false", "Compress rotated logs.").default("`true`"),
    ],
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
        Self {
            rotate: reader.number(&fields, "rotate"),
            maxage: reader.number(&fields, "maxage"),
            size: reader.number(&fields, "size"),
            frequency: reader.word(&fields, "frequency", LogFrequency::from_word),
            compress: reader.boolean(&fields, "compress"),
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
