//! Control keys that a terminal does not show.

use std::io;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetpgrp, tcsetattr};

/// Lets the terminal not show `^C` until this is dropped. The `^C` of an interrupted call would stand beside its bars
/// and move the cursor, so that they could not be removed.
pub(super) struct QuietKeys {
    /// Whether the terminal showed control keys before.
    were_shown: bool,
}

impl QuietKeys {
    pub(super) fn new() -> Self {
        Self {
            were_shown: show_keys(false),
        }
    }
}

impl Drop for QuietKeys {
    fn drop(&mut self) {
        if self.were_shown {
            show_keys(true);
        }
    }
}

/// Sets whether the terminal shows control keys, and returns whether that is a change. A program in the background must
/// not do this: the system would stop it.
fn show_keys(are_shown: bool) -> bool {
    let terminal = io::stderr();
    if tcgetpgrp(&terminal) != Ok(getpgrp()) {
        return false;
    }
    let Ok(mut settings) = tcgetattr(&terminal) else {
        return false;
    };
    let is_change = settings.local_modes.contains(LocalModes::ECHOCTL) != are_shown;
    settings.local_modes.set(LocalModes::ECHOCTL, are_shown);
    is_change && tcsetattr(&terminal, OptionalActions::Now, &settings).is_ok()
}
