//! Which deployment a program is of, by the folders it names.

use crate::inventory::Domain;
use crate::supervisord::ini::Section;

/// Names of folders that say nothing about whose they are.
const GENERIC: [&str; 20] = [
    "live",
    "deployments",
    "html",
    "app",
    "apps",
    "www",
    "public",
    "current",
    "releases",
    "shared",
    "src",
    "bin",
    "sbin",
    "lib",
    "local",
    "share",
    "venv",
    "venvs",
    "env",
    "web",
];

/// Folders whose children are deployments, each named after one.
const OF_DEPLOYMENTS: [&str; 6] =
    ["/var/www/vhosts/", "/var/www/", "/srv/www/", "/srv/", "/opt/", "/usr/share/nginx/"];

/// The deployment that a program runs in: by its `directory`, else by the paths of its command. `None`
/// where that is not plain.
pub(super) fn of_section(section: &Section) -> Option<Domain> {
    let directory = section.get("directory").and_then(of_folder);
    directory.or_else(|| {
        let words = section.get("command")?.split_whitespace();
        let mut paths = words.map(|word| word.trim_matches(['\'', '"'])).filter(|word| {
            // What is installed on the machine lies in such folders, too.
            word.starts_with('/') && !word.starts_with("/opt/") && !word.starts_with("/srv/")
        });
        paths.find_map(of_folder)
    })
}

fn of_folder(path: &str) -> Option<Domain> {
    if !path.starts_with('/') || path.contains('%') {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let releases = parts.iter().position(|part| matches!(*part, "current" | "releases"));
    let above = releases.and_then(|at| parts.get(at.checked_sub(1)?)).copied();
    let domain = parts.iter().copied().find(|part| looks_like_domain(part));
    let below = OF_DEPLOYMENTS.iter().find_map(|folder| path.strip_prefix(folder));
    let below = below.and_then(|rest| rest.split('/').next());
    let found = above.or(domain).or(below).filter(|name| !GENERIC.contains(name))?;
    Domain::parse(found).ok()
}

/// `example.com`, and no `celery.py` or `python3.11`.
fn looks_like_domain(part: &str) -> bool {
    const ENDS: [&str; 14] = [
        "com", "net", "org", "io", "dev", "app", "de", "eu", "uk", "fr", "nl", "local", "test",
        "example",
    ];
    let Some((name, end)) = part.rsplit_once('.') else { return false };
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.'));
    is_name && ENDS.contains(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_are_found_by_folder() {
        for (path, expected) in [
            ("/home/deployer/sites/example.com/current", Some("example.com")),
            ("/srv/shop/current/public", Some("shop")),
            ("/home/forge/example.com", Some("example.com")),
            ("/var/www/shop", Some("shop")),
            ("/var/www/html", None),
            ("/var/www/html/artisan", None),
            ("/opt/odoo/server", Some("odoo")),
            ("/usr/bin", None),
            ("/home/me/venv/bin/python3.11", None),
            ("current", None),
            ("/current", None),
            ("/srv/%(ENV_X)s/current", None),
        ] {
            assert_eq!(of_folder(path).as_ref().map(Domain::as_str), expected, "{path}");
        }
    }
}
