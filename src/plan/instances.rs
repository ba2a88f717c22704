//! Which groups can be of one program, by nothing but their names: `NAME`, `NAME_00`, `NAME_01`.

/// Whether two groups can be of one program, once with one group for all of its processes
/// (`NAME`), once with a group for each (`NAME_00`).
pub(super) fn are_siblings(one: &str, other: &str) -> bool {
    let numbered = |longer: &str, shorter: &str| {
        longer.strip_prefix(shorter).and_then(|rest| rest.strip_prefix('_')).is_some_and(|number| {
            number.len() >= 2 && number.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    numbered(one, other) || numbered(other, one)
}

/// `NAME` of `NAME_00`, else all of it.
pub(super) fn base_of(group: &str) -> &str {
    match group.rsplit_once('_') {
        Some((base, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => base,
        _ => group,
    }
}

/// Whether two groups can be instances of one program: `NAME_00` and `NAME_01`.
pub(super) fn are_instances(one: &str, other: &str) -> bool {
    let base = |name: &str| name.rsplit_once('_').map(|(base, _)| base.to_owned());
    base(one).is_some_and(|base| are_siblings(one, &base) && are_siblings(other, &base))
}
