//! When a line of a log was written, where the line says so: in the forms in which frameworks, web servers
//! and syslog begin their lines.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

/// How far from its beginning a line may have its time, in bytes; an object of JSON has it somewhere among
/// its first keys.
const WITHIN: usize = 64;
const WITHIN_JSON: usize = 256;
/// How far apart the zones of the world are, in seconds.
const QUARTER_OF_AN_HOUR: i64 = 15 * 60;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// What a line says of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineTime {
    /// With its zone.
    At(Timestamp),
    /// Without one.
    Civil(DateTime),
}

/// The lines of a log that were written since `from`, of a log that was last written to at `written`. What
/// has no time of its own belongs to the line before it. `None` where no line has a time.
///
/// A time without a zone is read in the one in which the last line that has a time is as old as the log:
/// nobody says in which zone a program writes, and it need not be that of its server.
pub fn since<L: AsRef<[u8]>>(
    lines: Vec<L>,
    from: Timestamp,
    written: Timestamp,
) -> Result<Vec<L>, Vec<L>> {
    let times: Vec<Option<LineTime>> =
        lines.iter().map(|line| time_of(line.as_ref(), written)).collect();
    let Some(last) = times.iter().rev().find_map(|time| *time) else { return Err(lines) };
    let offset = match last {
        LineTime::At(_) => Offset::UTC,
        LineTime::Civil(civil) => zone_of(civil, written),
    };
    let at = |time: LineTime| match time {
        LineTime::At(at) => Some(at),
        LineTime::Civil(civil) => offset.to_timestamp(civil).ok(),
    };
    let is_since = |time: &Option<LineTime>| time.and_then(at).is_some_and(|at| at >= from);
    // From the first on: what comes after it was written after it, whatever it says.
    let first = times.iter().position(is_since).unwrap_or(lines.len());
    Ok(lines.into_iter().skip(first).collect())
}

/// The zone in which this was just before the log was last written to.
fn zone_of(civil: DateTime, written: Timestamp) -> Offset {
    let as_utc = Offset::UTC.to_timestamp(civil).unwrap_or(written);
    let ahead = as_utc.as_second() - written.as_second();
    let quarters = (ahead + QUARTER_OF_AN_HOUR / 2).div_euclid(QUARTER_OF_AN_HOUR);
    let seconds = quarters.saturating_mul(QUARTER_OF_AN_HOUR);
    // A last line that is a day older than the log says nothing of the zone.
    let seconds = i32::try_from(seconds).ok().filter(|seconds| seconds.abs() <= 14 * 3600);
    seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()).unwrap_or(Offset::UTC)
}

/// The time that a line begins with; `written` tells the year where it says none.
fn time_of(line: &[u8], written: Timestamp) -> Option<LineTime> {
    let within = if line.first() == Some(&b'{') { WITHIN_JSON } else { WITHIN };
    let begin = line.get(..within.min(line.len()))?;
    syslog(line, written).or_else(|| (0..begin.len()).find_map(|at| numeric(line.get(at..)?)))
}

/// `2026-11-30 10:31:58`, `2026/11/30 10:31:58`, `30-Nov-2026 10:31:58`, `30/Nov/2026:10:31:58`, with or without a
/// fraction and a zone.
fn numeric(text: &[u8]) -> Option<LineTime> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    let (date, rest) = year_first(text).or_else(|| day_first(text))?;
    let rest = rest.strip_prefix(b" ").or(rest.strip_prefix(b"T")).or(rest.strip_prefix(b":"))?;
    let (time, rest) = time_of_day(rest)?;
    let civil = date.to_datetime(time);
    Some(match zone(rest) {
        Some(offset) => LineTime::At(offset.to_timestamp(civil).ok()?),
        None => LineTime::Civil(civil),
    })
}

fn year_first(text: &[u8]) -> Option<(Date, &[u8])> {
    let (year, rest) = number(text, 4)?;
    let separator = *rest.first().filter(|byte| matches!(byte, b'-' | b'/'))?;
    let (month, rest) = number(rest.get(1..)?, 2)?;
    let (day, rest) = number(rest.strip_prefix(&[separator])?, 2)?;
    Some((date(year, month, day)?, rest))
}

fn day_first(text: &[u8]) -> Option<(Date, &[u8])> {
    let (day, rest) = number(text, 2)?;
    let separator = *rest.first().filter(|byte| matches!(byte, b'-' | b'/'))?;
    let (month, rest) = month(rest.get(1..)?)?;
    let (year, rest) = number(rest.strip_prefix(&[separator])?, 4)?;
    Some((date(year, month, day)?, rest))
}

/// `Nov 30 10:31:58`, of the year before the log was last written to.
fn syslog(line: &[u8], written: Timestamp) -> Option<LineTime> {
    let (month, rest) = month(line)?;
    let rest = rest.strip_prefix(b" ")?;
    let (day, rest) = match rest.strip_prefix(b" ") {
        Some(rest) => number(rest, 1)?,
        None => number(rest, 2)?,
    };
    let (time, _) = time_of_day(rest.strip_prefix(b" ")?)?;
    let written = Offset::UTC.to_datetime(written);
    let is_later = (month, day) > (i32::from(written.month()), i32::from(written.day()) + 1);
    let year = i32::from(written.year()) - i32::from(is_later);
    Some(LineTime::Civil(date(year, month, day)?.to_datetime(time)))
}

fn month(text: &[u8]) -> Option<(i32, &[u8])> {
    let (name, rest) = text.split_at_checked(3)?;
    let place = MONTHS.iter().position(|month| month[..] == *name)?;
    Some((i32::try_from(place).ok()? + 1, rest))
}

fn time_of_day(text: &[u8]) -> Option<(Time, &[u8])> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let small = |number: i32| i8::try_from(number).ok();
    let time = Time::new(small(hour)?, small(minute)?, small(second)?.min(59), 0).ok()?;
    // A fraction makes no difference.
    let rest = match rest.first() {
        Some(b'.' | b',') => {
            let digits = rest.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
            rest.get(1 + digits..)?
        }
        _ => rest,
    };
    Some((time, rest))
}

/// `Z`, ` UTC`, `+02:00`, ` +0200`.
fn zone(text: &[u8]) -> Option<Offset> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    if text.starts_with(b"Z") || text.starts_with(b"UTC") || text.starts_with(b"GMT") {
        return Some(Offset::UTC);
    }
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = number(text.get(1..)?, 2)?;
    let (minutes, _) = number(rest.strip_prefix(b":").unwrap_or(rest), 2)?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A number of so many digits.
fn number(text: &[u8], digits: usize) -> Option<(i32, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let mut value = 0;
    for byte in number {
        value = value * 10 + i32::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    Some((value, rest))
}

/// How long ago something was: `90s`, `10m`, `2h`, `1d`, in seconds.
pub fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn kept(log: &str, from: &str, written: &str) -> Option<String> {
        let lines = log.lines().map(|line| line.as_bytes().to_vec()).collect();
        let kept = since(lines, at(from), at(written)).ok()?;
        Some(String::from_utf8(kept.join(&b'|')).unwrap())
    }

    #[test]
    fn time_is_found_in_each_common_form() {
        for line in [
            "2026-11-30 10:31:58 x",
            "2026-11-30T10:31:58Z x",
            "2026-11-30T12:31:58.123456+02:00 x",
            "[2026-11-30 10:31:58] production.ERROR: x",
            "[2026-11-30 10:31:58,123: INFO/MainProcess] x",
            "I, [2026-11-30T10:31:58.123 #12]  INFO -- : x",
            "2026/11/30 10:31:58 [error] x",
            "[30-Nov-2026 10:31:58 UTC] PHP Fatal error: x",
            "127.0.0.1 - - [30/Nov/2026:11:31:58 +0100] \"GET / HTTP/1.1\" 200",
            "Nov 30 10:31:58 web1 x[1]: y",
            r#"{"message":"x","level":400,"datetime":"2026-11-30T10:31:58.123+00:00"}"#,
        ] {
            let written = "2026-11-30T10:31:58Z";
            assert_eq!(kept(line, written, written).as_deref(), Some(line));
            let later = "2026-11-30T10:31:59Z";
            assert_eq!(kept(line, later, written).as_deref(), Some(""), "{line}");
        }
        for line in ["x", "", "2026-11-30", "2026-13-30 10:31:58", "10:31:58 x", "Nov 31"] {
            assert_eq!(kept(line, "2026-11-30T10:31:59Z", "2026-11-30T10:31:59Z"), None, "{line}");
        }
    }

    #[test]
    fn line_without_time_belongs_to_the_one_before() {
        let log = "a\n2026-11-30 10:00:00 old\n  trace\n2026-11-30 11:00:00 new\n  trace";
        let kept = kept(log, "2026-11-30T10:30:00Z", "2026-11-30T11:00:00Z");
        assert_eq!(kept.as_deref(), Some("2026-11-30 11:00:00 new|  trace"));
    }

    #[test]
    fn zone_is_the_one_of_the_last_line() {
        let log = "2026-11-30 12:00:00 old\n2026-11-30 13:00:02 new";
        for written in ["2026-11-30T11:00:05Z", "2026-11-30T13:00:05Z", "2026-11-30T18:30:05Z"] {
            let from = at(written) - Duration::from_secs(600);
            let kept = kept(log, &from.to_string(), written);
            assert_eq!(kept.as_deref(), Some("2026-11-30 13:00:02 new"), "{written}");
        }
    }

    #[test]
    fn year_of_syslog_is_the_one_before_the_log_was_written() {
        let log = "Dec 31 23:59:00 old\nJan  1 00:01:00 new";
        let kept = kept(log, "2027-01-01T00:00:00Z", "2027-01-01T00:01:30Z");
        assert_eq!(kept.as_deref(), Some("Jan  1 00:01:00 new"));
    }

    #[test]
    fn ago_needs_a_unit() {
        let seconds = |text| ago(text).map(|ago| ago.as_secs());
        assert_eq!(["90s", "10m", "2h", "1d"].map(seconds), [90, 600, 7200, 86400].map(Some));
        assert_eq!(
            ["", "m", "10", "1w", "-1m", "ü", "99999999999999999999d"].map(seconds),
            [None; 7]
        );
    }
}
