//! Checks of whom programs run as.

use super::subject::{base, without_prefix};
use super::{Check, Finding, Look, Needs, Part, Sample, Subject};

pub(super) const CHECKS: &[Check] = &[USER_ROOT];

const USER_ROOT: Check = Check {
    name: "user-root",
    summary: "a program runs as root",
    fix: "give it a `user` of its own",
    why: "A worker runs code that a deployment brings, on data that others send. As root, a mistake in it is a mistake \
          of the whole server, its logs and caches belong to root and cannot be read or cleared by the site, and \
          whoever may deploy may do everything. Where a section names no `user`, its program runs as supervisord does, \
          which is root on most servers. Programs that are made to be started by root and give it up themselves \
          (nginx, php-fpm, cron, sshd and the like) are no finding, nor are commands that change the user.",
    wrong: Sample::Program("{program: worker, command: php worker.php, user: root}"),
    right: Sample::Program("{program: worker, command: php worker.php, user: www-data}"),
    needs: Needs::Nothing,
    look: Look::Each(user_root),
};

/// Programs that are started as root and go on as somebody else, or have to be root.
const GIVE_IT_UP: [&str; 42] = [
    "apache2",
    "apache2ctl",
    "apachectl",
    "chronyd",
    "containerd",
    "cron",
    "crond",
    "dnsmasq",
    "dockerd",
    "dovecot",
    "fail2ban-server",
    "haproxy",
    "httpd",
    "keepalived",
    "master",
    "memcached",
    "named",
    "nginx",
    "ntpd",
    "postfix",
    "rsyslogd",
    "smbd",
    "sshd",
    "squid",
    "syslog-ng",
    "unbound",
    "varnishd",
    "vsftpd",
    "udevd",
    "dbus-daemon",
    "avahi-daemon",
    "wpa_supplicant",
    "openvpn",
    "supercronic",
    "mysqld",
    "mysqld_safe",
    "mariadbd",
    "mariadbd-safe",
    "samba",
    "nmbd",
    "winbindd",
    "xrdp-sesman",
];

/// Programs that run another one as somebody else.
const CHANGE_USER: [&str; 8] =
    ["chpst", "gosu", "runuser", "setpriv", "setuidgid", "su", "su-exec", "sudo"];

fn user_root(subject: &Subject) -> Vec<Finding> {
    let user = subject.option("user").filter(|user| !user.is_empty());
    let message = match user {
        Some("root" | "0") => format!("`{}` runs as root", subject.name),
        None if subject.host.as_ref().is_some_and(|host| host.is_root) => {
            format!("`{}` runs as root: it names no `user`, and supervisord is root", subject.name)
        }
        _ => return Vec::new(),
    };
    let is_made_for_it = subject.all_commands().into_iter().any(|(_, words)| {
        let first = without_prefix(words).first().map(|word| base(word)).unwrap_or_default();
        GIVE_IT_UP.contains(&first) || CHANGE_USER.contains(&first) || first.starts_with("php-fpm")
    });
    match is_made_for_it {
        true => Vec::new(),
        false => vec![USER_ROOT.finds(Part::Option("user"), message)],
    }
}

#[cfg(test)]
mod tests {
    use super::super::said;
    use super::super::subject::subject;
    use super::*;
    use crate::lint::OnHost;

    fn on_host(section: &str, is_root: bool) -> Subject {
        Subject { host: Some(OnHost { is_root, ..OnHost::default() }), ..subject(section) }
    }

    #[test]
    fn root_is_found() {
        for (subject, expected) in [
            (subject("command=php x\nuser=root"), "`w` runs as root"),
            (subject("command=php x\nuser=0"), "`w` runs as root"),
            (
                on_host("command=php x", true),
                "`w` runs as root: it names no `user`, and supervisord is root",
            ),
        ] {
            assert_eq!(said("user-root", subject), [expected]);
        }
    }

    #[test]
    fn who_gives_root_up_is_no_finding() {
        for silent in [
            subject("command=php x\nuser=www-data"),
            subject("command=php x"),
            on_host("command=php x", false),
            on_host("command=php x\nuser=www-data", true),
            on_host("command=/usr/sbin/nginx -g 'daemon off;'", true),
            subject("command=/usr/sbin/php-fpm8.2 -F\nuser=root"),
            subject("command=gosu app php x\nuser=root"),
            subject("command=sh -c 'exec su-exec app php x'\nuser=root"),
        ] {
            assert!(said("user-root", silent.clone()).is_empty(), "{silent:?}");
        }
    }
}
