//! Remote procedure calls over message brokers.
