//! The links of one address, which its clients share.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::{Handle, Id};

use super::Links;

/// How many clients and modules share a link. A broker allows about a thousand topics on a link.
const MAX_SHARING: usize = 512;

/// The links of an address. A link runs on one runtime, and ends with it, so each runtime has its own.
#[derive(Default)]
pub(crate) struct LinkPool(Mutex<Vec<Pooled>>);

struct Pooled {
    runtime: Id,
    links: Weak<Links>,
    /// How many clients and modules got this link.
    shared: usize,
}

impl LinkPool {
    /// Returns the link for a new client or module on a runtime.
    pub(crate) fn get(&self, runtime: &Handle) -> Arc<Links> {
        let mut pooled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pooled.retain(|it| it.links.strong_count() > 0 && it.shared < MAX_SHARING);
        let runtime = runtime.id();
        let known = pooled.iter_mut().find(|it| it.runtime == runtime);
        if let Some(known) = known
            && let Some(links) = known.links.upgrade()
        {
            known.shared += 1;
            return links;
        }
        let links = Arc::default();
        pooled.push(Pooled {
            runtime,
            links: Arc::downgrade(&links),
            shared: 1,
        });
        links
    }
}

impl fmt::Debug for LinkPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkPool").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_of_one_runtime_share_a_link() {
        let pool = LinkPool::default();
        let first = pool.get(&Handle::current());
        assert!(Arc::ptr_eq(&first, &pool.get(&Handle::current())));
        let other = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        assert!(!Arc::ptr_eq(&first, &pool.get(other.handle())));
        other.shutdown_background();
        drop(first);
        assert!(pool.0.lock().unwrap()[0].links.upgrade().is_none());
    }

    #[tokio::test]
    async fn a_full_link_is_not_shared_with_more() {
        let pool = LinkPool::default();
        let sharing: Vec<_> = std::iter::repeat_with(|| pool.get(&Handle::current()))
            .take(MAX_SHARING + 1)
            .collect();
        let (last, full) = sharing.split_last().unwrap();
        assert!(full.iter().all(|links| Arc::ptr_eq(links, &full[0])));
        assert!(!Arc::ptr_eq(last, &full[0]));
    }
}
