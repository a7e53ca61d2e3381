//! Short texts that are made once and shared: owners and lease tokens.
//!
//! A shared `str` is two words. The text behind one more address is one word, in each handle, and
//! seldom read.

/// A type that is a text and cheap to clone, made from whatever a shared `str` is made from.
macro_rules! shared_text {
    ($(#[$about:meta])* $name:ident, $(#[$about_text:meta])* as_str) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(crate::sync::PlainArc<crate::sync::PlainArc<str>>);

        impl $name {
            $(#[$about_text])*
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<crate::sync::PlainArc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(crate::sync::PlainArc::new(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use shared_text;
