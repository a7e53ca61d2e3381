//! The examples that each help ends with.

pub(crate) const SHORT: &str = "Each command has its own help with examples: mutextree exec --help";

pub(crate) const MAIN: &str = "\
Examples:
  export MUTEXTREE_REDIS=redis://cache.example.org

  mutextree exec jobs/nightly -- ./nightly.sh     one at a time, on all machines
  mutextree exec --no-wait jobs/nightly -- ./nightly.sh || echo runs already
  mutextree exec --dir /tmp/locks site -- make    on this machine, without a server
  mutextree ls                                    who holds what
  mutextree why site/news                         who is in my way
  mutextree doctor                                can this server be used

Exit statuses: 0; 64 usage; 69 server or directory cannot be used; 71 the system refused.
`exec` has more: see mutextree exec --help.";

pub(crate) const EXEC: &str = "\
Examples:
  mutextree exec jobs/nightly -- ./nightly.sh
      runs the script once no other has the lock, and says on stderr what it waits for
  mutextree exec --no-wait jobs/nightly -- ./nightly.sh
      gives up with status 75 if another has it
  mutextree exec --wait 5m -E 0 site -- make deploy
      gives up after five minutes, and calls that success
  mutextree exec --shared site -- ./backup.sh
      any number of these at a time, and no deploy
  mutextree exec site/news site/blog -- ./move.sh
      both or neither
  mutextree exec db -- sh -c 'psql -v token=$MUTEXTREE_FENCING_TOKEN -f change.sql'
      a write that a late holder cannot make
  mutextree exec --dir /var/lock/site site -- make
      without a server

Exit statuses:
  the command's own; 128+n if signal n ended it
  64   usage                        75   the lock could not be had in time (-E)
  69   server cannot be reached     76   the lock was lost, and the command stopped
  71   the system refused           126  COMMAND cannot be run    127  there is no COMMAND";

pub(crate) const LS: &str = "\
Examples:
  mutextree ls                                    the whole tree
  mutextree ls org/team                           one branch
  mutextree ls --json | jq -r '.held[] | select(.held_for > 3600) | .path'
      what has been locked for more than an hour";

pub(crate) const WHY: &str = "\
Examples:
  mutextree why org/team                          for an exclusive lock on the team
  mutextree why --shared org/team/file            for a shared lock on one file
  mutextree why org/team && echo free";

pub(crate) const WATCH: &str = "\
Examples:
  mutextree watch                                 the whole tree, each second
  mutextree watch org/team -i 200ms               one branch, more often
  mutextree watch --json >>locks.log              a line of JSON for each change";

pub(crate) const BREAK: &str = "\
Examples:
  mutextree break jobs/nightly                    shows the lock, and asks
  mutextree break --yes jobs/nightly              all locks on exactly this node
  mutextree break 1764177384211034                the one with this fencing token (see ls)";

pub(crate) const DOCTOR: &str = "\
Examples:
  mutextree doctor --redis redis://cache.example.org
  mutextree doctor --redis redis-sentinel://s1,s2,s3/locks
  mutextree doctor --redis redis-cluster://n1,n2
  mutextree doctor --dir /var/lock/site";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  mutextree completions bash >~/.local/share/bash-completion/completions/mutextree
  mutextree completions zsh >~/.zfunc/_mutextree
  mutextree completions fish >~/.config/fish/completions/mutextree.fish";

pub(crate) const MAN: &str = "\
Examples:
  mutextree man | man -l -                        reads it
  mutextree man exec | man -l -                   of one subcommand
  mutextree man >/usr/local/share/man/man1/mutextree.1";
