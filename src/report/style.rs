//! The few colours there are. Everything reads the same without them.

/// Puts colour around words, or not.
#[derive(Clone, Copy, Debug)]
pub struct Paint(pub bool);

impl Paint {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// What comes.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What goes.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What changes.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What matters.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}
