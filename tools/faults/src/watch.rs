//! [`Watch`]: no server is left behind if this program is killed.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A shell whose input ends when this program does, however that is. Then it kills the server.
pub(crate) struct Watch {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let script = r#"while read -r line; do pid=$line; done; [ -z "$pid" ] || kill -9 "$pid""#;
        let mut shell = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().expect("a shell starts");
        let input = shell.stdin.take();
        Self { shell, input }
    }

    /// This is the server's process from now on.
    pub(crate) fn over(&mut self, pid: u32) {
        self.tell(&pid.to_string());
    }

    fn tell(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tell("");
        self.input = None;
        let _ = self.shell.wait();
    }
}
