//! A real terminal, tmux's: what a person sees of a command, at any width, also while it changes.

#![expect(clippy::unwrap_used, reason = "a harness that fails fails the test")]
#![expect(clippy::disallowed_methods, reason = "starts tmux and asks it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::daemon::PATIENCE;
use crate::python::missing;
use crate::site::{BINARY, Host, Invocation};

/// Everything a status bar, a person's configuration and a slow escape key would add is off.
const SETTINGS: &str = "set -g status off\nset -g escape-time 0\n\
                        set -g history-limit 5000\nset -g default-terminal tmux-256color\n";

/// A terminal on which a command runs, and stays when it has ended.
pub(crate) struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    /// The binary with these arguments, typed on a terminal of this width, in the environment of a host.
    pub(crate) fn start(host: &Host, columns: u16, arguments: &str) -> Option<Self> {
        Self::start_as(|all| host.command(all), columns, arguments)
    }

    /// The same in the environment of what such a function makes.
    pub(crate) fn start_as(
        command: impl Fn(&[&str]) -> Invocation,
        columns: u16,
        arguments: &str,
    ) -> Option<Self> {
        let tmux = Path::new("/usr/bin/tmux");
        if !tmux.is_file() {
            missing("tmux");
            return None;
        }
        let terminal = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(terminal.path("settings"), SETTINGS).unwrap();
        let settings = terminal.path("settings").display().to_string();
        let status = terminal.path("status");
        // Below a prompt, as where a person types. The terminal outlives the command.
        let typed = format!(
            "printf '\\n\\n$ ...\\n'; {BINARY} {arguments}; echo $? > {}; exec sleep 1000",
            status.display()
        );
        let socket = terminal.path("socket").display().to_string();
        let mut client = command(&[
            "-u",
            "-f",
            &settings,
            "-S",
            &socket,
            "new-session",
            "-d",
            "-x",
            &columns.to_string(),
            "-y",
            "24",
            &typed,
        ]);
        client.program(tmux).env("TERM", "xterm-256color").env("LANG", "C.UTF-8").run().ended(0);
        Some(terminal)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("/usr/bin/tmux");
        tmux.arg("-u").arg("-S").arg(self.path("socket")).args(arguments);
        let output = tmux.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What stands on the screen, and what has scrolled out of it.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-"]).trim_end().to_owned()
    }

    /// The same with the escape sequences of its colours.
    pub(crate) fn coloured_screen(&self) -> String {
        self.tmux(&["capture-pane", "-e", "-p", "-S", "-"]).trim_end().to_owned()
    }

    /// Waits until this is on the screen, and returns it.
    #[track_caller]
    pub(crate) fn shows(&self, what: &str) -> String {
        self.until(what, |screen| screen.contains(what))
    }

    /// Waits until the screen is so, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let mut is_it = false;
        let deadline = std::time::Instant::now() + PATIENCE;
        while !is_it && std::time::Instant::now() < deadline {
            screen = self.screen();
            is_it = is_so(&screen);
        }
        assert!(is_it, "not on the screen: {what}\n{screen}");
        screen
    }

    pub(crate) fn resize(&self, columns: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", "24"]);
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits for the end of the command: its exit status, and the screen it leaves.
    pub(crate) fn ended(&self) -> (i32, String) {
        let status = || std::fs::read_to_string(self.path("status")).ok()?.trim().parse().ok();
        self.until("the end of the command", |_| status().is_some());
        (status().unwrap(), self.screen())
    }
}

/// Also when the test has failed half-way.
impl Drop for Terminal {
    fn drop(&mut self) {
        let mut tmux = Command::new("/usr/bin/tmux");
        tmux.arg("-S").arg(self.path("socket")).arg("kill-server");
        let _ = tmux.stderr(Stdio::null()).status();
    }
}
