//! Nobody panics: a bug that an assert finds, and a supervisor makes good, is still a bug.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// The first panic of the seed that runs on this thread.
    static SEEN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Looks out for panics of this thread from now on.
pub fn watch() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SEEN.with_borrow_mut(|seen| {
                seen.get_or_insert_with(|| panic.to_string());
            });
            others(panic);
        }));
    });
    SEEN.take();
}

/// The first since then.
pub fn seen() -> Option<String> {
    SEEN.take()
}
