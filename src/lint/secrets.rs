//! Checks of where secrets stand.

use super::{Check, Finding, Look, Needs, Part, Sample, Subject};
use crate::system::passwords::{is_secret, passwords};

pub(super) const CHECKS: &[Check] = &[PLAIN_SECRET];

const PLAIN_SECRET: Check = Check {
    name: "plain-secret",
    summary: "a password or key stands in the inventory, or in a command that everybody can see",
    fix: "put it into an `environment_file` that is not in the repository",
    why: "Who can read the repository can read it, today and in every older commit. What stands in a command is shown \
          by `ps` to every user of the server besides. An `environment_file` is read where the inventory is, and can \
          be left out of the repository; a script can read the release's own `.env`; `expansions: true` and \
          `%(ENV_NAME)s` take the value from supervisord's own environment. A secret that has been committed should \
          be changed.",
    wrong: Sample::Program(
        "{program: worker, command: php worker.php, environment: {DB_PASSWORD: hunter2}}",
    ),
    right: Sample::Program(
        "{program: worker, command: php worker.php, environment_file: worker.env}",
    ),
    needs: Needs::Nothing,
    look: Look::Each(plain_secret),
};

fn plain_secret(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    // On a host they stand where supervisord reads them; whether anybody else can is the file's mode.
    let in_repository = subject.variables.iter().filter(|_| subject.host.is_none());
    for (name, value) in in_repository {
        let has_login = passwords(value).into_iter().any(|range| {
            value.get(range).is_some_and(|secret| is_literal(secret) && !secret.starts_with('{'))
        });
        if (is_key(name) && is_literal(value)) || has_login {
            // Not with the program's name: of `defaults` it is told once.
            let what = if is_key(name) { "is a secret" } else { "has a password" };
            let message = format!("the value of `{name}` {what} in plain text");
            found.push(PLAIN_SECRET.finds(Part::Variable(name.clone()), message));
        }
    }
    let command = subject.option("command").unwrap_or_default();
    let in_command = passwords(command).into_iter().any(|range| {
        command.get(range).is_some_and(|value| is_literal(value.trim_matches(['"', '\''])))
    });
    if in_command {
        let message =
            format!("the command of `{}` has a secret in it, which `ps` shows", subject.name);
        let fix = "have the program read it from its environment or from a file";
        found.push(PLAIN_SECRET.finds_with(Part::Option("command"), message, fix));
    }
    found
}

/// Whether a variable's name is that of a secret. `APP_KEY` is one; a `*_KEY` that says which key is meant,
/// is not.
fn is_key(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let says_where = ["_FILE", "_PATH", "_ID", "_NAME", "_URL", "_TTL", "_HEADER"];
    let is_public = name.contains("PUBLIC") || name.contains("CACHE");
    !is_public
        && !says_where.iter().any(|ending| name.ends_with(ending))
        && (is_secret(&name) || matches!(name.as_str(), "APP_KEY" | "SECRET_KEY_BASE" | "KEY"))
}

/// Whether a value is the secret itself: not empty, and neither a reference to another place nor a switch.
fn is_literal(value: &str) -> bool {
    let is_reference = value.starts_with('$') || value.contains("%(") || value.starts_with('/');
    let is_switch = matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "null" | "none" | "0" | "1" | "yes" | "no" | "on" | "off"
    );
    !is_reference && !is_switch
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::super::subject::subject;
    use super::*;

    fn with(name: &str, value: &str) -> Subject {
        let variables = vec![(name.to_owned(), value.to_owned())];
        Subject { variables, ..subject("command=x") }
    }

    #[test]
    fn literal_secret_is_found() {
        for name in [
            "DB_PASSWORD",
            "REVERB_APP_SECRET",
            "API_TOKEN",
            "APP_KEY",
            "STRIPE_SECRET_KEY",
            "MAIL_PASS",
            "SECRET_KEY_BASE",
            "aws_secret_access_key",
        ] {
            let said = said("plain-secret", with(name, "hunter2"));
            assert_eq!(said, [format!("the value of `{name}` is a secret in plain text")]);
        }
        assert_eq!(
            said("plain-secret", with("DATABASE_URL", "postgres://shop:hunter2@db/shop")),
            ["the value of `DATABASE_URL` has a password in plain text"]
        );
        let command = subject("command=php x --password=hunter2");
        assert_eq!(
            said("plain-secret", command),
            ["the command of `w` has a secret in it, which `ps` shows"]
        );
    }

    #[test]
    fn reference_is_no_secret() {
        for (name, value) in [
            ("DB_PASSWORD", "${DB_PASSWORD}"),
            ("DB_PASSWORD", "$DB_PASSWORD"),
            ("DB_PASSWORD", "%(ENV_DB_PASSWORD)s"),
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("API_TOKEN", "/run/secrets/token"),
            ("USE_AUTH", "true"),
            ("TOKEN_TTL", "3600"),
            ("AWS_ACCESS_KEY_ID", "AKIAX"),
            ("CACHE_KEY", "app"),
            ("JWT_PUBLIC_KEY", "x"),
            ("APP_ENV", "production"),
            ("DATABASE_URL", "postgres://db/shop"),
            ("DATABASE_URL", "postgres://shop:$DB_PASSWORD@db/shop"),
            ("REDIS_URL", "redis://127.0.0.1:6379/0"),
        ] {
            assert!(said("plain-secret", with(name, value)).is_empty(), "{name}={value}");
        }
        for command in [
            "php x --password=$DB_PASSWORD",
            "php x --password=%(ENV_DB_PASSWORD)s",
            "php artisan queue:work --tries=3",
            "php x --token-file=/etc/t",
        ] {
            let subject = subject(&format!("command={command}"));
            assert!(said("plain-secret", subject).is_empty(), "{command}");
        }
    }
}
