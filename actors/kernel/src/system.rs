//! The machine the process runs on: its name and its limits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The machine's own name, `localhost` when it has none.
pub fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// Lets the calling thread run before others that want the processor, where the system allows it to
/// this process. For threads that are short of time and need little of it: on a machine with too much to
/// do they would be late otherwise, and be taken for dead.
pub fn prefer_this_thread() {
    // Not allowed without a right to it: then it stays one of many.
    let _ = rustix::process::setpriority_process(None, PREFERRED);
}

/// How nice a preferred thread is to others.
const PREFERRED: i32 = -10;

/// Raises the limit of open files to what the system allows: descriptors are cheap, running out of
/// them is not. Gives the limit in force then, `None` for no limit.
pub fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current == limit.maximum || setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    }
}
