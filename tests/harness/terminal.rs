//! A terminal of a given width with one program in it: its own session, whose end hangs up.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::machine::Said;

/// A program and the terminal around it. Dropping the terminal closes it: the program is hung up on.
pub(crate) struct Terminal {
    screen: File,
    /// The program.
    pub(crate) child: Child,
}

impl Terminal {
    /// Starts a program in a terminal that is so many columns wide.
    pub(crate) fn start(command: &Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let screen = openpt(flags).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let inside = File::from(ioctl_tiocgptpeer(&screen, flags).unwrap());
        tcsetwinsize(&screen, Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.env_remove("NO_COLOR").env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session.current_dir(command.get_current_dir().unwrap());
        session.stdin(inside.try_clone().unwrap()).stdout(inside.try_clone().unwrap()).stderr(inside);
        Self { screen: screen.into(), child: session.spawn().unwrap() }
    }

    /// All that was written on it until the program ended, colours and movements included.
    pub(crate) fn read(mut self) -> Said {
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        // Reading fails when nobody holds the other side any more.
        while let Ok(count @ 1..) = self.screen.read(&mut part) {
            bytes.extend_from_slice(&part[..count]);
        }
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { code, out: String::from_utf8_lossy(&bytes).into_owned(), err: String::new() }
    }

    /// Closes the terminal and gives the program that was in it.
    pub(crate) fn close(self) -> Child {
        self.child
    }
}
