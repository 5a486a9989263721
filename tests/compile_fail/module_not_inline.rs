#[dasf::module]
mod service;
