//! A module without a prelude, for which `dasf` is called `rpc`.

/// The code names every item by its path.
#[::rpc::module(topic = "bare", main = false, crate = ::rpc, version = "3.1.4")]
pub mod atlas {
    use ::core::convert::Into as _;
    use ::core::prelude::v1::derive;
    use ::std::option::Option;
    use ::std::result::Result::{self, Err, Ok};
    use ::std::string::String;
    use ::std::vec::Vec;

    /// A place on the ground.
    #[derive(
        ::core::fmt::Debug,
        ::core::clone::Clone,
        ::core::cmp::PartialEq,
        ::serde::Serialize,
        ::serde::Deserialize,
        ::schemars::JsonSchema,
    )]
    #[schemars(crate = "::schemars")]
    pub struct Place {
        /// In degrees north.
        pub latitude: f64,
    }

    /// The reason for a missing place.
    #[derive(::core::fmt::Debug, ::thiserror::Error, ::rpc::IntoError)]
    #[dasf(crate = ::rpc)]
    pub enum Missing {
        /// Nobody knows it.
        #[error("nobody knows {name}")]
        Unknown {
            /// The requested name.
            name: String,
        },
        /// It is out of reach.
        #[error("{0} is out of reach")]
        Far(String, f64),
        /// The reason stays here.
        #[error("the map cannot be read")]
        #[dasf(code = "no_map")]
        Unreadable(#[dasf(skip)] ::std::io::Error),
    }

    /// Find a place.
    #[::rpc::function]
    pub async fn find(
        name: &str,
        among: Option<Vec<Place>>,
        #[dasf(default = "m")] unit: String,
        mut report: ::rpc::ProgressReport,
        context: ::rpc::Context,
    ) -> Result<Place, Missing> {
        ::std::mem::drop((report.step("looking"), context, unit));
        match name {
            "far" => Err(Missing::Far(::std::convert::From::from(name), 0.5)),
            "unreadable" => Err(Missing::Unreadable(::std::io::Error::other("torn"))),
            _ => match ::std::iter::Iterator::next(&mut ::std::iter::IntoIterator::into_iter(
                among.unwrap_or_default(),
            )) {
                Option::Some(place) => Ok(place),
                Option::None => Err(Missing::Unknown {
                    name: ::std::convert::From::from(name),
                }),
            },
        }
    }

    /// A map.
    pub struct Map {
        scale: u32,
    }

    #[::rpc::class]
    impl Map {
        /// Draws it.
        pub async fn new(#[dasf(default = 10)] scale: u32) -> Result<Self, Missing> {
            if scale == 0 {
                return Err(Missing::Unknown {
                    name: ::std::convert::From::from("scale"),
                });
            }
            Ok(Self { scale })
        }

        /// Zooms in, for this call.
        pub fn zoom(&mut self, by: u32) -> u32 {
            self.scale *= by;
            self.scale
        }
    }
}
