//! The functions and methods of a module, as requests reach them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use dasf_protocol::api_info::FunctionInfo;

use super::access::Access;
use super::contract::Contract;
use super::descriptor::FunctionDescriptor;
use super::validate::Validator;
use super::{ModuleError, Outcome, schema};

/// A function or method that requests can reach.
pub(super) struct Callable {
    /// The number of the function in its module, from 1 on.
    pub(super) number: u16,
    pub(super) descriptor: &'static FunctionDescriptor,
    pub(super) contract: Contract,
    pub(super) access: Access,
    /// The schema of the result, if it has constraints beyond the type.
    result: Option<Validator>,
    quickness: Quickness,
}

impl Callable {
    pub(super) fn new(
        number: u16,
        descriptor: &'static FunctionDescriptor,
        schemas: &FunctionInfo,
    ) -> Result<Self, ModuleError> {
        let contract = Contract::new(descriptor.name, descriptor.arguments, &schemas.rpc_schema)?;
        // Most results always match the schema of their type. A check would have to read them
        // again.
        let result = schema::constrains(&schemas.return_schema)
            .then(|| Validator::new(descriptor.name, &schemas.return_schema))
            .transpose()?;
        Ok(Self {
            number,
            descriptor,
            contract,
            access: Access::to_function(descriptor),
            result,
            quickness: Quickness::default(),
        })
    }

    /// Returns whether the latest calls took microseconds. The next one may take longer.
    pub(super) fn is_quick(&self) -> bool {
        self.quickness.is_quick()
    }

    /// Records how long a call took.
    pub(super) fn record(&self, time: Duration) {
        self.quickness.record(time);
    }

    /// Checks a result against its schema, if it has constraints beyond the type.
    pub(super) fn check_result(&self, outcome: Outcome) -> Outcome {
        match &self.result {
            None => outcome,
            Some(contract) => contract.check_result(self.descriptor.name, outcome?),
        }
    }
}

/// How long the latest calls of a function took.
#[derive(Debug, Default)]
struct Quickness {
    /// The number of the latest calls that were quick, up to [`Self::ENOUGH`].
    streak: AtomicU8,
}

impl Quickness {
    /// A call is quick if it takes less than this. To wake a thread takes about as long.
    const LIMIT: Duration = Duration::from_micros(50);
    /// A function is quick after so many quick calls in succession.
    const ENOUGH: u8 = 8;

    fn is_quick(&self) -> bool {
        self.streak.load(Ordering::Relaxed) == Self::ENOUGH
    }

    fn record(&self, time: Duration) {
        // Calls that end at the same time may lose a count, which delays the result by a call.
        let streak = self.streak.load(Ordering::Relaxed);
        let next = match streak {
            _ if time >= Self::LIMIT => 0,
            Self::ENOUGH => return,
            streak => streak + 1,
        };
        self.streak.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_quick_after_some_calls_until_one_takes_long() {
        let quickness = Quickness::default();
        for _ in 0..Quickness::ENOUGH {
            assert!(!quickness.is_quick());
            quickness.record(Duration::from_micros(1));
        }
        assert!(quickness.is_quick());
        quickness.record(Duration::from_micros(1));
        assert!(quickness.is_quick());
        quickness.record(Quickness::LIMIT);
        assert!(!quickness.is_quick());
    }
}
