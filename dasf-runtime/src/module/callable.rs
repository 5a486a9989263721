//! The functions and methods of a module, as requests reach them.

use dasf_protocol::api_info::FunctionInfo;

use super::access::Access;
use super::contract::Contract;
use super::descriptor::FunctionDescriptor;
use super::quickness::Quickness;
use super::validate::Validator;
use super::{ModuleError, schema};

/// A function or method that requests can reach.
pub(super) struct Callable {
    /// The number of the function in its module, from 1 on.
    pub(super) number: u16,
    pub(super) descriptor: &'static FunctionDescriptor,
    pub(super) contract: Contract,
    pub(super) access: Access,
    /// The schema of the result, if it has constraints beyond the type.
    pub(super) result: Option<Validator>,
    pub(super) quickness: Quickness,
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
}
