//! supervisord's own configuration: where it listens and which files it includes. Read as
//! `supervisor/options.py` 4.2.5 reads it, so that we meet the daemon where it really is.

use std::io;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::include;
use super::ini::{self, ExpandError, Ini, IniError};
use super::listener::{Listener, ListenerReader, UnusableListener, UnusableReason, WayIn};
use super::merged::{Merged, folder};

/// Where distributions put it, Debian's package first. (supervisord itself would also look in its
/// working folder; no service starts it like that.)
pub const DEFAULT_PATHS: [&str; 2] = ["/etc/supervisor/supervisord.conf", "/etc/supervisord.conf"];

/// What the main file says, with what included files override.
#[derive(Debug, Clone)]
pub struct MainConfig {
    /// The main file, absolute.
    pub path: PathBuf,
    /// The listeners we can use, unix sockets first.
    pub listeners: Vec<Listener>,
    /// Where to look for supervisord, each place once: at those listeners; at those of the main file
    /// alone, since it may not have read what an included file says; and where supervisorctl looks.
    pub ways: Vec<WayIn>,
    /// Those we cannot use, and why.
    pub unusable: Vec<UnusableListener>,
    /// The patterns of `[include] files`, absolute, in order.
    pub include_patterns: Vec<String>,
    /// `[supervisord] pidfile`, if it is set to an absolute path: a relative one depends on the
    /// folder supervisord was started in.
    pub pidfile: Option<PathBuf>,
    /// What `%(ENV_X)s` stands for in these files.
    pub environment: Environment,
}

/// Why supervisord's configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none in the usual places.
    #[error("supervisord has no configuration at {}", DEFAULT_PATHS.join(" or "))]
    NotFound,
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The main file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// supervisord could not parse it either.
    #[error("cannot parse {}", .path.display())]
    Syntax {
        /// The main file.
        path: PathBuf,
        /// Where and what.
        source: IniError,
    },
    /// `[include] files` cannot be known.
    #[error("cannot tell which files {} includes", .path.display())]
    Include {
        /// The main file.
        path: PathBuf,
        /// What cannot be expanded.
        source: ExpandError,
    },
    /// No listener, or none that is of use.
    #[error("{} leaves no way to talk to supervisord{}", .path.display(), reasons(.unusable))]
    NoListener {
        /// The main file.
        path: PathBuf,
        /// Those there are.
        unusable: Vec<UnusableListener>,
    },
}

fn reasons(unusable: &[UnusableListener]) -> String {
    unusable.iter().map(|listener| format!(": {listener}")).collect()
}

impl ConfigError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound => Some("install supervisor, or name its configuration file"),
            Self::NoListener { unusable, .. } if unusable.is_empty() => Some(
                "add a [unix_http_server] section with `file=/var/run/supervisor.sock` and \
                 restart supervisord",
            ),
            Self::NoListener { unusable, .. }
                if unusable.iter().any(|one| one.reason == UnusableReason::HashedPassword) =>
            {
                Some(
                    "add a [unix_http_server] section without a password: its `chmod` protects \
                     the socket",
                )
            }
            _ => None,
        }
    }
}

impl MainConfig {
    /// Reads the file at `explicit`, else the first of [`DEFAULT_PATHS`] that exists. Included
    /// files are read for what they override; one that cannot be read or parsed is passed over,
    /// as it is for supervisord to say what it thinks of it.
    pub fn load(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(explicit, &mut |path| read(path).ok())
    }

    /// The same, with the text of an included file from `included`, who may want to keep it.
    pub fn load_from(
        explicit: Option<&Path>,
        included: &mut dyn FnMut(&Path) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::load_with(explicit, None, included)
    }

    fn load_with(
        explicit: Option<&Path>,
        environment: Option<Environment>,
        included: &mut dyn FnMut(&Path) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (path, ini) = main_file(explicit)?;
        let here = folder(&path);
        let mut merged = Merged::of(is_of_daemon);
        merged.add(&path, &ini);
        let own = merged.clone();
        let mut environment = environment.unwrap_or_else(|| {
            Environment::of(&path, plain_path(own.get("supervisord", "pidfile")))
        });
        let include_patterns = include_patterns(&ini, &here, &environment)
            .map_err(|source| ConfigError::Include { path: path.clone(), source })?;
        for file in include::files(&include_patterns).unwrap_or_default() {
            if let Some(ini) = included(&file).and_then(|text| ini::parse(&text).ok()) {
                merged.add(&file, &ini);
            }
        }
        let added = ListenerReader { merged: &merged, environment: &environment, here: &here }
            .option("supervisord", "environment");
        if let Ok(Some(value)) = added {
            environment.add(&value);
        }
        let reader = |merged| ListenerReader { merged, environment: &environment, here: &here };
        let (mut ways, unusable) = reader(&merged).listeners();
        let listeners = ways.iter().map(|way| way.listener.clone()).collect();
        for way in reader(&own).listeners().0.into_iter().chain(reader(&own).of_supervisorctl()) {
            if ways.iter().all(|known| known.listener != way.listener) {
                ways.push(way);
            }
        }
        let pidfile = reader(&merged).option("supervisord", "pidfile").ok().flatten();
        let pidfile = plain_path(pidfile.as_deref());
        Ok(Self { path, listeners, ways, unusable, include_patterns, pidfile, environment })
    }

    /// The included files in supervisord's order: pattern after pattern, each one's matches
    /// sorted. Of a file that two patterns match, the last place counts, as its options then win.
    /// supervisord passes over a folder that it may not list; here that is the error.
    pub fn included_files(&self) -> io::Result<Vec<PathBuf>> {
        include::files(&self.include_patterns)
    }

    /// The first place to look at.
    pub fn usable_listener(&self) -> Result<&Listener, ConfigError> {
        self.ways.first().map(|way| &way.listener).ok_or_else(|| self.no_listener())
    }

    pub(super) fn no_listener(&self) -> ConfigError {
        ConfigError::NoListener { path: self.path.clone(), unusable: self.unusable.clone() }
    }
}

/// The main file, absolute, and what it says.
fn main_file(explicit: Option<&Path>) -> Result<(PathBuf, Ini), ConfigError> {
    let path = match explicit {
        Some(path) => path,
        None => DEFAULT_PATHS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .ok_or(ConfigError::NotFound)?,
    };
    let text = std::path::absolute(path).and_then(|path| Ok((read(&path)?, path)));
    let (text, path) =
        text.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let ini =
        ini::parse(&text).map_err(|source| ConfigError::Syntax { path: path.clone(), source })?;
    Ok((path, ini))
}

/// What is of use here of all the sections there are.
fn is_of_daemon(section: &str) -> bool {
    let prefixes = ["supervisord", "supervisorctl", "unix_http_server", "inet_http_server"];
    prefixes.iter().any(|prefix| section.starts_with(prefix))
}

/// A path that depends on nothing.
fn plain_path(text: Option<&str>) -> Option<PathBuf> {
    text.map(PathBuf::from).filter(|path| path.is_absolute())
}

#[expect(clippy::disallowed_methods, reason = "an edge: supervisord's files are read here alone")]
fn read(path: &Path) -> io::Result<String> {
    // Lossy: a comment in another encoding must not keep us from the daemon that lives with it.
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// `[include] files` of the main file alone: supervisord follows no include of an included file.
fn include_patterns(
    ini: &Ini,
    here: &str,
    environment: &Environment,
) -> Result<Vec<String>, ExpandError> {
    let Some(files) = ini.get("include", "files") else { return Ok(Vec::new()) };
    let files = ini::expand(&files.replace("%(here)s", here), &|name| match name {
        "host_node_name" => {
            read(Path::new("/proc/sys/kernel/hostname")).ok().map(|name| name.trim().to_owned())
        }
        "here" => Some(here.to_owned()),
        _ => environment.expansion(name),
    })?;
    let patterns = files.split_whitespace();
    Ok(patterns
        .map(|pattern| Path::new(here).join(pattern).to_string_lossy().into_owned())
        .collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the files that are read")]
mod tests {
    use super::super::listener::Login;
    use super::*;

    /// A temporary folder with these files, and the configuration read from its `main.conf`.
    fn load(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<MainConfig, ConfigError>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let environment = Environment::given([("RUN", "/run/of/env"), ("HOME", "/home/me")]);
        let config = MainConfig::load_with(
            Some(&folder.path().join("main.conf")),
            Some(environment),
            &mut |path| read(path).ok(),
        );
        (folder, config)
    }

    fn one_listener(text: &str) -> Listener {
        let (_folder, config) = load(&[("main.conf", text)]);
        let config = config.unwrap();
        assert_eq!(config.unusable, []);
        config.usable_listener().unwrap().clone()
    }

    fn unix(path: impl Into<PathBuf>) -> Listener {
        Listener::Unix { path: path.into(), login: None }
    }

    #[test]
    fn debians_own_file() {
        let (folder, config) = load(&[(
            "main.conf",
            "; supervisor config file\n[unix_http_server]\nfile=/var/run/supervisor.sock   ; (the \
             path to the socket file)\nchmod=0700\n[supervisord]\n\
             pidfile=/var/run/supervisord.pid ; x\n[include]\nfiles = /etc/x/conf.d/*.conf\n",
        )]);
        let config = config.unwrap();
        assert_eq!(config.path, folder.path().join("main.conf"));
        assert_eq!(config.listeners, [unix("/var/run/supervisor.sock")]);
        assert_eq!(config.include_patterns, ["/etc/x/conf.d/*.conf"]);
        assert_eq!(config.pidfile, Some("/var/run/supervisord.pid".into()));
    }

    #[test]
    fn expansions() {
        assert_eq!(
            one_listener("[unix_http_server]\nfile=%(ENV_RUN)s/a%%b"),
            unix("/run/of/env/a%b")
        );
        assert_eq!(one_listener("[unix_http_server]\nfile=~/s.sock"), unix("/home/me/s.sock"));
        let (folder, config) = load(&[(
            "main.conf",
            "[unix_http_server]\nfile=%(here)s/s.sock\n[supervisord]\npidfile=s.pid\n[include]\n\
             files=%(here)s/a/*.conf b/*.ini\n  /c/%(host_node_name)s.conf",
        )]);
        let here = folder.path();
        let config = config.unwrap();
        assert_eq!(config.listeners, [unix(here.join("s.sock"))]);
        assert_eq!(config.pidfile, None);
        let [a, b, c] = config.include_patterns.try_into().unwrap();
        assert_eq!(Path::new(&a), here.join("a/*.conf"));
        assert_eq!(Path::new(&b), here.join("b/*.ini"));
        assert!(c.starts_with("/c/") && !c.contains('%') && c.len() > "/c/.conf".len(), "{c}");
    }

    #[test]
    fn addresses() {
        let tcp = |port: &str| match one_listener(&format!("[inet_http_server]\nport={port}")) {
            Listener::Tcp { host, port, login: None } => format!("{host}:{port}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(tcp("9001"), "127.0.0.1:9001");
        assert_eq!(tcp("*:9001"), "127.0.0.1:9001");
        assert_eq!(tcp(":9001"), "127.0.0.1:9001");
        assert_eq!(tcp("Example.COM:80"), "example.com:80");
    }

    #[test]
    fn unix_socket_is_preferred() {
        let (_folder, config) = load(&[(
            "main.conf",
            "[inet_http_server]\nport=1\n[unix_http_server]\nfile=/s\nusername=me\npassword=50%%\n",
        )]);
        let config = config.unwrap();
        let login = Some(Login::new("me", "50%"));
        assert_eq!(config.usable_listener().unwrap(), &Listener::Unix { path: "/s".into(), login });
        assert!(!format!("{config:?}").contains("50%"));
    }

    #[test]
    fn included_files_override() {
        let (folder, config) = load(&[
            (
                "main.conf",
                "[include]\nfiles=d/*.conf\n[unix_http_server]\nfile=/first\nusername=me\npassword=x",
            ),
            ("d/1.conf", "[include]\nfiles=/nowhere\n[unix_http_server]\nfile=%(here)s/second"),
            ("d/2.conf", "[program:x\nbroken"),
            ("d/3.conf", "[DEFAULT]\nusername=you\n[inet_http_server]\nport=1\npassword=y"),
        ]);
        let config = config.unwrap();
        assert_eq!(
            config.listeners,
            [
                Listener::Unix {
                    path: folder.path().join("d/second"),
                    login: Some(Login::new("me", "x"))
                },
                Listener::Tcp {
                    host: "127.0.0.1".into(),
                    port: 1,
                    login: Some(Login::new("you", "y"))
                },
            ]
        );
        assert_eq!(config.include_patterns.len(), 1);
        assert_eq!(config.included_files().unwrap().len(), 3);
    }

    /// A hashed password is refused with a hint, unless there is another way.
    #[test]
    fn hashed_password_is_refused() {
        let hashed = "[unix_http_server]\nfile=/s\nusername=me\npassword={SHA}82ab876d1387";
        let (folder, config) = load(&[("main.conf", hashed)]);
        let error = config.unwrap().usable_listener().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}/main.conf leaves no way to talk to supervisord: [unix_http_server] has a \
                 password that is stored as a {{SHA}} hash, which cannot be sent",
                folder.path().display()
            )
        );
        assert!(error.hint().unwrap().contains("without a password"));

        let both = format!("{hashed}\n[inet_http_server]\nport=9\nusername=me\npassword=plain");
        let (_folder, config) = load(&[("main.conf", &both)]);
        assert!(matches!(config.unwrap().usable_listener(), Ok(Listener::Tcp { .. })));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let (_folder, config) = load(&[("main.conf", "[supervisord]\n")]);
        let error = config.unwrap().usable_listener().unwrap_err();
        assert!(error.to_string().ends_with("leaves no way to talk to supervisord"));
        assert!(error.hint().unwrap().contains("unix_http_server"));

        let (_folder, config) = load(&[("main.conf", "[unix_http_server]\nfile=%(ENV_NO)s")]);
        let error = config.unwrap().usable_listener().unwrap_err().to_string();
        assert!(error.contains("[unix_http_server] has `file`: %(ENV_NO) is not"), "{error}");

        let (_folder, config) = load(&[("main.conf", "[include]\nfiles=%(ENV_NO)s/*")]);
        assert!(matches!(config, Err(ConfigError::Include { .. })));
        let (_folder, config) = load(&[("main.conf", "no section")]);
        assert!(matches!(config, Err(ConfigError::Syntax { .. })));
        let (_folder, config) = load(&[]);
        assert!(matches!(config, Err(ConfigError::Read { .. })));
    }
}
