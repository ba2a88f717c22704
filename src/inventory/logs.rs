//! `logs:` of a program: where its output goes, and who rotates it.

use super::fields::Reader;
use super::file::Node;
use super::keys::{Key, Keys, Kind};
use super::program::{LogFrequency, Logs, Rotation};
use super::value::LogTarget;

pub(super) static KEYS: Keys = Keys {
    of: "`logs`",
    known: &[
        Key::new(
            "path",
            Kind::Text,
            "/var/log/app/worker.log",
            "Where stdout goes: a file, a device such as `/dev/stdout`, `NONE`, `AUTO` or `syslog`.",
        )
        .default("`{log_dir}/{its name in supervisord}.log`; in `plain` supervisord's (`AUTO`)"),
        Key::new(
            "stderr",
            Kind::Text,
            "/var/log/app/worker.err",
            "Where stderr goes, if not where stdout goes.",
        )
        .default("with stdout; in `plain` supervisord's (`AUTO`)"),
        Key::new(
            "rotate",
            Kind::WholeOr(10_000, Rotation::WORDS),
            "14",
            "Who rotates: `logrotate`, `supervisord` or `none`. A number is how many rotated logs \
             logrotate keeps.",
        )
        .default("`5` by logrotate; in `plain` `supervisord`"),
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
        .default("no limit; where supervisord rotates, its own (50 MiB)"),
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
    pub(super) path: Option<LogTarget>,
    pub(super) stderr: Option<LogTarget>,
    rotation: Option<Rotation>,
    rotate: Option<u32>,
    maxage: Option<u32>,
    size: Option<u64>,
    frequency: Option<LogFrequency>,
    compress: Option<bool>,
}

impl LogOptions {
    pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Self {
        let Some(fields) = reader.fields(node, &KEYS) else { return Self::default() };
        let rotate = reader.value(&fields, "rotate");
        let count = rotate.as_ref().and_then(|text| text.parse().ok());
        let word = rotate.as_deref().and_then(Rotation::from_word);
        Self {
            path: fields.get("path").and_then(|n| reader.parse(n, "path", LogTarget::for_key)),
            stderr: fields
                .get("stderr")
                .and_then(|n| reader.parse(n, "stderr", LogTarget::for_key)),
            // Only logrotate is told how many.
            rotation: word.or(count.map(|_: u32| Rotation::Logrotate)),
            rotate: count,
            maxage: reader.number(&fields, "maxage"),
            size: reader.number(&fields, "size"),
            frequency: reader.word(&fields, "frequency", LogFrequency::from_word),
            compress: reader.boolean(&fields, "compress"),
        }
    }

    /// This layer over `base`.
    pub(super) fn over(self, base: &Self) -> Self {
        let Self { path, stderr, rotation, rotate, maxage, size, frequency, compress } = self;
        Self {
            path: path.or_else(|| base.path.clone()),
            stderr: stderr.or_else(|| base.stderr.clone()),
            rotation: rotation.or(base.rotation),
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
            path: self.path,
            stderr: self.stderr,
            rotation: self.rotation,
            rotate: self.rotate.unwrap_or(base.rotate),
            maxage: self.maxage.unwrap_or(base.maxage),
            size: self.size.or(base.size),
            frequency: self.frequency.unwrap_or(base.frequency),
            compress: self.compress.unwrap_or(base.compress),
        }
    }
}
