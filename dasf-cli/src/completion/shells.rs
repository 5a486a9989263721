//! The scripts of the shells.
//!
//! Those of `clap_complete` for bash and zsh do not fit words with `=` and `:`, as in `name=VALUE` and in URLs.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine;
use clap_complete::env::EnvCompleter;

/// Bash. It splits words at `=` and `:`, so the script joins them again, and removes from each candidate what
/// stands before the last of these characters.
#[derive(Debug)]
pub(super) struct Bash;

const BASH: &str = r#"
_dasf() {
    local line="${COMP_LINE:0:COMP_POINT}" words=() part rest index
    for ((index = 0; index <= COMP_CWORD; index++)); do
        rest="${line#"${line%%[![:space:]]*}"}"
        part="${COMP_WORDS[index]}"
        if ((index == COMP_CWORD)); then
            part="$rest"
        fi
        if ((index > 0)) && [[ "$rest" == "$line" ]]; then
            words[${#words[@]} - 1]+="$part"
        else
            words+=("$part")
        fi
        line="${rest#"$part"}"
    done
    local current="${words[${#words[@]} - 1]}" before="" IFS=$'\n'
    if [[ "$current" == *[=:]* && "$COMP_WORDBREAKS" == *[=:]* ]]; then
        before="${current%"${current##*[=:]}"}"
    fi
    COMPREPLY=($(DASF_COMPLETE=bash dasf -- "${words[@]}" 2>/dev/null))
    for index in "${!COMPREPLY[@]}"; do
        COMPREPLY[index]="${COMPREPLY[index]#"$before"}"
    done
    if [[ ${#COMPREPLY[@]} == 1 && "${COMPREPLY[0]}" == *= ]]; then
        compopt -o nospace
    fi
}
complete -o bashdefault -o default -F _dasf dasf"#;

/// Zsh. Its script adds no space after `=`.
#[derive(Debug)]
pub(super) struct Zsh;

const ZSH: &str = r#"#compdef dasf
_dasf() {
    local -a found names values
    local line
    found=("${(@f)$(DASF_COMPLETE=zsh dasf -- "${(@)words[1,CURRENT]}" 2>/dev/null)}")
    for line in "${found[@]}"; do
        [[ -z "$line" ]] && continue
        if [[ "${line%%:*}" == *= ]]; then
            names+=("$line")
        else
            values+=("$line")
        fi
    done
    if (( ${#names} + ${#values} == 0 )); then
        _files
        return
    fi
    (( ${#names} )) && _describe -V 'arguments' names -S ''
    (( ${#values} )) && _describe -V 'values' values
}
compdef _dasf dasf"#;

/// Returns the candidates for the last word.
fn complete(
    command: &mut Command,
    words: Vec<OsString>,
    folder: Option<&Path>,
) -> Result<Vec<engine::CompletionCandidate>> {
    let index = words.len().saturating_sub(1);
    engine::complete(command, words, index, folder)
}

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: &str,
        output: &mut dyn Write,
    ) -> Result<()> {
        writeln!(output, "{}", BASH.trim_start())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        output: &mut dyn Write,
    ) -> Result<()> {
        for candidate in complete(command, words, folder)? {
            writeln!(output, "{}", candidate.get_value().to_string_lossy())?;
        }
        Ok(())
    }
}

impl EnvCompleter for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: &str,
        output: &mut dyn Write,
    ) -> Result<()> {
        writeln!(output, "{ZSH}")
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        output: &mut dyn Write,
    ) -> Result<()> {
        for candidate in complete(command, words, folder)? {
            // A colon separates a candidate from its help.
            let value = candidate.get_value().to_string_lossy().replace(':', "\\:");
            let help = candidate.get_help().map(ToString::to_string);
            match help.as_deref().and_then(|help| help.lines().next()) {
                Some(help) => writeln!(output, "{value}:{help}")?,
                None => writeln!(output, "{value}")?,
            }
        }
        Ok(())
    }
}
