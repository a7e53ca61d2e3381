//! The text in a lock's owner field. The store keeps it with the lock. So every server that shares
//! the store knows all of its locks, and no server has to remember anything.
//!
//! The text is a token, a space, and a description of the holder. For a client's lock that is the
//! `<owner>` element that the client sent. For a [request](crate::locks) that is being answered it
//! is the method.

use mutextree::{HeldLock, Owner};
use uuid::Uuid;
use xmltree::{Element, EmitterConfig};

const REQUEST: &str = "request:";

/// A lock's owner field, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    /// Unique for all time, unlike the store's own token, which may start anew with the store.
    pub(crate) token: String,
    about: String,
}

impl Label {
    /// For a lock that a client asks for.
    pub(crate) fn lock(owner: Option<&Element>) -> Self {
        Self { token: Uuid::new_v4().urn().to_string(), about: owner.and_then(to_xml).unwrap_or_default() }
    }

    /// For what is locked while one request is answered.
    pub(crate) fn request(method: &str) -> Self {
        Self { token: format!("{REQUEST}{}", Uuid::new_v4()), about: method.to_owned() }
    }

    /// The label of a listed lock; `None` if it was not taken by such a server.
    pub(crate) fn of(lock: &HeldLock) -> Option<Self> {
        Self::read(lock.owner.as_ref()?)
    }

    /// The label that this owner field has, if it is one.
    pub(crate) fn read(owner: &Owner) -> Option<Self> {
        let (token, about) = owner.as_str().split_once(' ')?;
        let ours = token.starts_with("urn:uuid:") || token.starts_with(REQUEST);
        ours.then(|| Self { token: token.to_owned(), about: about.to_owned() })
    }

    pub(crate) fn is_request(&self) -> bool {
        self.token.starts_with(REQUEST)
    }

    /// The `<owner>` element that the client sent.
    pub(crate) fn owner(&self) -> Option<Element> {
        if self.is_request() {
            return None;
        }
        Element::parse(self.about.as_bytes()).ok()
    }

    /// The holder in a few words, for people.
    pub(crate) fn describe(&self) -> String {
        if self.is_request() {
            return format!("a {} that is being answered", self.about);
        }
        let mut words = Vec::new();
        if let Some(owner) = self.owner() {
            texts(&owner, &mut words);
        }
        if words.is_empty() { "somebody".to_owned() } else { words.join(" ") }
    }
}

impl From<&Label> for Owner {
    fn from(label: &Label) -> Self {
        format!("{} {}", label.token, label.about).into()
    }
}

/// The element as a document of its own: the prefix that it got from its parent is declared anew.
fn to_xml(element: &Element) -> Option<String> {
    let mut element = element.clone();
    if let (Some(prefix), Some(namespace)) = (element.prefix.clone(), element.namespace.clone()) {
        let declared = element.namespaces.get_or_insert_with(xmltree::Namespace::empty);
        declared.force_put(prefix, namespace);
    }
    let mut xml = Vec::new();
    element.write_with_config(&mut xml, EmitterConfig::new().write_document_declaration(false)).ok()?;
    String::from_utf8(xml).ok()
}

fn texts(element: &Element, words: &mut Vec<String>) {
    for child in &element.children {
        match child {
            xmltree::XMLNode::Element(element) => texts(element, words),
            xmltree::XMLNode::Text(text) | xmltree::XMLNode::CData(text) => {
                words.extend(text.split_whitespace().map(str::to_owned));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use mutextree::Kind;

    use super::*;

    fn through_the_store(label: &Label) -> Label {
        let mut lock = HeldLock::new("a".parse().unwrap(), Kind::default());
        lock.owner = Some(label.into());
        Label::of(&lock).unwrap()
    }

    #[test]
    fn an_owner_survives_the_store() {
        let sent = r#"<lockinfo xmlns="DAV:" xmlns:x="urn:x"><owner><href>mailto:a@b</href> &lt;A &amp; B&gt; <x:y z="1"/></owner></lockinfo>"#;
        let mut owner = Element::parse(sent.as_bytes()).unwrap().take_child("owner").unwrap();
        owner.prefix = Some("D".to_owned()); // as dav-server hands it over
        let label = through_the_store(&Label::lock(Some(&owner)));
        let back = label.owner().expect("an owner");
        assert_eq!((back.name.as_str(), back.namespace.as_deref()), ("owner", Some("DAV:")));
        assert_eq!(back.get_child(("y", "urn:x")).unwrap().attributes["z"], "1");
        assert_eq!(label.describe(), "mailto:a@b <A & B>");
    }

    #[test]
    fn a_lock_without_an_owner_has_a_token_all_the_same() {
        let label = Label::lock(None);
        let back = through_the_store(&label);
        assert_eq!(back.token, label.token);
        assert!(back.owner().is_none() && !back.is_request());
        assert!(through_the_store(&Label::request("PUT")).is_request());
    }

    #[test]
    fn locks_of_other_programs_have_no_label() {
        let mut lock = HeldLock::new("a".parse().unwrap(), Kind::default());
        assert!(Label::of(&lock).is_none());
        lock.owner = Some("nightly backup".into());
        assert!(Label::of(&lock).is_none());
    }
}
