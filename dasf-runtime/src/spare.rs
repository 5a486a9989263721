//! The memory of a large request, which the result of its function can use. Fresh memory of this size
//! takes longer to get than to write.

use std::cell::Cell;

use bytes::Bytes;

/// The smallest request whose memory is worth keeping, in bytes.
pub(crate) const LARGE: usize = 1 << 20;

thread_local! {
    static IS_KEPT: Cell<bool> = const { Cell::new(false) };
    static SPARE: Cell<Bytes> = const { Cell::new(Bytes::new()) };
}

/// Runs a plain function with a large request. The function reads its arguments and writes its result on
/// this thread. Memory is kept until it returns.
pub(crate) fn keep_during<T>(call: impl FnOnce() -> T) -> T {
    struct End;

    impl Drop for End {
        fn drop(&mut self) {
            IS_KEPT.set(false);
            drop(SPARE.take());
        }
    }

    let _end = End;
    IS_KEPT.set(true);
    call()
}

/// Keeps the memory of a large request whose arguments are read.
pub(crate) fn keep(request: impl Into<Bytes>) {
    if IS_KEPT.get() {
        SPARE.set(request.into());
    }
}

/// Returns an empty buffer for a result.
pub(crate) fn buffer() -> Vec<u8> {
    /// Enough for most results.
    const CAPACITY: usize = 128;
    let spare = SPARE.take();
    vec_of(spare).unwrap_or_else(|| Vec::with_capacity(CAPACITY))
}

/// Returns the memory of bytes as an empty buffer, if there are bytes and nobody else has them.
pub(crate) fn vec_of(bytes: Bytes) -> Option<Vec<u8>> {
    let mut buffer = Some(bytes)
        .filter(|bytes| !bytes.is_empty())?
        .try_into_mut()
        .ok()?;
    // So nothing is copied.
    buffer.clear();
    Some(buffer.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_uses_the_memory_of_a_large_request() {
        let request = Bytes::from(vec![1; LARGE]);
        let place = request.as_ptr();
        keep_during(|| {
            keep(request.slice(..));
            assert!(buffer().capacity() < LARGE, "the request is still in use");
            keep(request);
            let result = buffer();
            assert_eq!((result.as_ptr(), result.len()), (place, 0));
            assert!(result.capacity() >= LARGE);
            assert!(buffer().capacity() < LARGE);
            keep(vec![1; LARGE]);
        });
        assert!(buffer().capacity() < LARGE, "the function has returned");
        keep(vec![1; LARGE]);
        assert!(buffer().capacity() < LARGE, "no function runs");
    }
}
