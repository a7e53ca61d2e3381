//! The documents that are read and written. Nothing in here keeps two handlers apart: that is what
//! the locks are for. A handler that meets another one where it should be alone reports a
//! violation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

const PROJECTS: u16 = 4;
const DOCUMENTS: u16 = 8;

#[derive(Debug)]
pub(crate) struct Documents {
    tenants: HashMap<String, Tenant>,
    /// The paths of all documents, for those who ask for one at random.
    paths: Vec<[String; 3]>,
    served: AtomicU64,
    violations: Violations,
}

#[derive(Debug, Default)]
struct Tenant {
    documents: HashMap<[String; 2], Document>,
    /// Whether the job is in the tenant.
    jobs: AtomicU32,
}

#[derive(Debug, Default)]
pub(crate) struct Document {
    readers: AtomicU32,
    writers: AtomicU32,
    /// Written in two steps. Under locks nobody ever sees them differ.
    halves: [AtomicU64; 2],
}

/// What must not be.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    count: AtomicU64,
    examples: Mutex<Vec<String>>,
}

impl Violations {
    /// More examples would help nobody.
    const MOST_EXAMPLES: usize = 5;

    fn report(&self, what: impl Into<String>) {
        self.count.fetch_add(1, SeqCst);
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        if examples.len() < Self::MOST_EXAMPLES {
            examples.push(what.into());
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    pub(crate) fn examples(&self) -> Vec<String> {
        self.examples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Somebody who is in: until it is dropped, which a handler whose client hangs up is at any
/// `.await`.
pub(crate) struct Inside<'a>(&'a AtomicU32);

impl<'a> Inside<'a> {
    fn new(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, SeqCst);
        Self(counter)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Documents {
    pub(crate) fn new(tenants: u16) -> Self {
        let mut documents = Self {
            tenants: HashMap::new(),
            paths: Vec::new(),
            served: AtomicU64::new(0),
            violations: Violations::default(),
        };
        for tenant in (0..tenants).map(|n| format!("tenant{n}")) {
            let of_tenant = documents.tenants.entry(tenant.clone()).or_default();
            for project in (0..PROJECTS).map(|n| format!("project{n}")) {
                for document in (0..DOCUMENTS).map(|n| format!("document{n}")) {
                    of_tenant.documents.insert([project.clone(), document.clone()], Document::default());
                    documents.paths.push([tenant.clone(), project.clone(), document]);
                }
            }
        }
        documents
    }

    pub(crate) fn paths(&self) -> &[[String; 3]] {
        &self.paths
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = &String> {
        self.tenants.keys()
    }

    /// How many requests have been answered.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(SeqCst)
    }

    pub(crate) fn violations(&self) -> &Violations {
        &self.violations
    }

    fn find(&self, [tenant, project, document]: &[String; 3]) -> Option<(&Tenant, &Document)> {
        let tenant = self.tenants.get(tenant)?;
        // A key is two strings, and so is what is looked for.
        Some((tenant, tenant.documents.get(&[project.clone(), document.clone()])?))
    }

    pub(crate) fn exists(&self, path: &[String; 3]) -> bool {
        self.find(path).is_some()
    }

    /// Reads, with a pause in which others run: under a shared lock, at the least, on the path.
    pub(crate) async fn read(&self, path: &[String; 3]) -> u64 {
        let Some((tenant, document)) = self.find(path) else { return 0 };
        let _inside = Inside::new(&document.readers);
        let first = document.halves[0].load(SeqCst);
        tokio::task::yield_now().await;
        if document.halves[1].load(SeqCst) != first {
            self.violations.report(format!("{} was read while it was written", path.join("/")));
        }
        self.see(path, tenant, "read");
        self.served.fetch_add(1, SeqCst);
        first
    }

    /// Writes, with a pause as if for a disk: under an exclusive lock on the path.
    pub(crate) async fn write(&self, path: &[String; 3]) -> u64 {
        let Some((tenant, document)) = self.find(path) else { return 0 };
        let _inside = Inside::new(&document.writers);
        if document.writers.load(SeqCst) != 1 || document.readers.load(SeqCst) != 0 {
            self.violations.report(format!("{} was written beside somebody else", path.join("/")));
        }
        let version = document.halves[0].fetch_add(1, SeqCst) + 1;
        // No `.await` before this: a handler can be dropped there.
        document.halves[1].store(version, SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        self.see(path, tenant, "written");
        self.served.fetch_add(1, SeqCst);
        version
    }

    fn see(&self, path: &[String; 3], tenant: &Tenant, what: &str) {
        if tenant.jobs.load(SeqCst) != 0 {
            self.violations.report(format!("{} was {what} while the job had its tenant", path.join("/")));
        }
    }

    /// Goes through a whole tenant, with pauses: under an exclusive lock on the tenant. Returns how
    /// often its documents were written.
    pub(crate) async fn go_through(&self, name: &str) -> u64 {
        let Some(tenant) = self.tenants.get(name) else { return 0 };
        let _inside = Inside::new(&tenant.jobs);
        let mut sum = 0;
        for ([project, document], there) in &tenant.documents {
            if there.writers.load(SeqCst) + there.readers.load(SeqCst) != 0 {
                self.violations.report(format!("the job met somebody at {name}/{project}/{document}"));
            }
            sum += there.halves[1].load(SeqCst);
            tokio::task::yield_now().await;
        }
        sum
    }
}
