//! The types of a generated client, as macros, without the client's methods.
//!
//! The types are in the generated module `client`. The methods are one module up, beside the user's
//! items, so that the types of arguments and results resolve as the user wrote them. For this
//! reason the fields are visible one module up. All names are paths from the root, because the
//! module may have no prelude.

/// Generates `Client`. The arguments are the topic in the attribute, as an `Option`, and the API
/// description if the client is generated from one.
#[doc(hidden)]
#[macro_export]
macro_rules! __client {
    ($(#[$meta:meta])* topic: $topic:expr) => {
        $crate::__client! { $(#[$meta])* topic: $topic, api_info: "" }
    };
    ($topic:expr, $api_info:expr) => {
        $crate::__client! {
            /// Calls the functions of the module over a message broker.
            topic: $topic, api_info: $api_info
        }
    };
    ($(#[$meta:meta])* topic: $topic:expr, api_info: $api_info:expr) => {
        $(#[$meta])*
        ///
        /// Clones share the connections. Use it as [`super::Client`], or as
        /// [`super::blocking::Client`].
        pub struct Client<M = $crate::__private::Async> {
            pub(super) caller: $crate::__private::Caller<M>,
        }

        impl<M: ::core::clone::Clone> ::core::clone::Clone for Client<M> {
            fn clone(&self) -> Self {
                Self { caller: ::core::clone::Clone::clone(&self.caller) }
            }
        }

        impl<M> ::core::fmt::Debug for Client<M> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct("Client").finish_non_exhaustive()
            }
        }

        impl<M> ::core::convert::From<$crate::__private::Caller<M>> for Client<M> {
            fn from(caller: $crate::__private::Caller<M>) -> Self {
                Self { caller }
            }
        }

        impl<M: $crate::__private::Mode> Client<M> {
            /// Returns the client without methods for functions, on which this one is built.
            pub fn caller(&self) -> &$crate::__private::Caller<M> {
                &self.caller
            }

            /// Returns the job with an id that `submit` of a call gave, in this program or in another one.
            /// `R` is the type of the result.
            ///
            /// # Errors
            /// When the job belongs to a module on another topic.
            pub fn attach<R>(
                &self,
                id: &$crate::__private::JobId,
            ) -> ::core::result::Result<
                $crate::__private::Job<R, M>,
                $crate::__private::CallError,
            > {
                self.caller.attach(id)
            }
        }

        impl Client<$crate::__private::Async> {
            /// Connects to the topic of the module's attribute, at a DASF broker with this base
            /// URL.
            ///
            /// # Errors
            /// When the address is not valid, or the broker cannot be reached or rejects the
            /// connection.
            pub async fn connect(
                url: &str,
            ) -> ::core::result::Result<Self, $crate::__private::ClientError> {
                Self::builder().websocket(url).connect().await
            }

            /// Creates a builder for the topic, the address and the limits.
            pub fn builder() -> $crate::__private::ClientBuilder<Self, $crate::__private::Async> {
                $crate::__private::ClientBuilder::new($topic).check_against_text($api_info)
            }
        }

        impl Client<$crate::__private::Blocking> {
            /// Connects to the topic of the module's attribute, at a DASF broker with this base
            /// URL.
            ///
            /// # Errors
            /// When the address is not valid, or the broker cannot be reached or rejects the
            /// connection.
            pub fn connect(
                url: &str,
            ) -> ::core::result::Result<Self, $crate::__private::ClientError> {
                Self::builder().websocket(url).connect()
            }

            /// Creates a builder for the topic, the address and the limits.
            pub fn builder() -> $crate::__private::ClientBuilder<Self, $crate::__private::Blocking> {
                $crate::__private::ClientBuilder::new($topic).check_against_text($api_info)
            }
        }
    };
}

/// Generates the instance of a class, on which methods are called.
#[doc(hidden)]
#[macro_export]
macro_rules! __instance {
    ($name:ident, $class:literal) => {
        $crate::__instance! {
            #[doc = ::core::concat!(
                "`", $class, "` with the arguments of its constructor. The module creates a new object for every call."
            )]
            $name
        }
    };
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        pub struct $name<M = $crate::__private::Async> {
            pub(super) instance: $crate::__private::Instance<M>,
        }

        impl<M: ::core::clone::Clone> ::core::clone::Clone for $name<M> {
            fn clone(&self) -> Self {
                Self { instance: ::core::clone::Clone::clone(&self.instance) }
            }
        }

        impl<M> ::core::fmt::Debug for $name<M> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(::core::stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// Generates the builder of a call whose function has arguments with defaults. It is generic in the
/// result, so that the implementation of a public trait does not name a type that is private to the
/// module.
#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ($name:ident, $function:literal) => {
        $crate::__call! {
            #[doc = ::core::concat!("A call of `", $function, "`, not sent yet.")]
            $name
        }
    };
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[must_use = "a call is sent when it is awaited, or with send() by a blocking client"]
        pub struct $name<
            R,
            M = $crate::__private::Async,
            H = $crate::__private::OnProgress<'static>,
        > {
            pub(super) call: $crate::__private::Call<R, M, H>,
        }

        impl<R, M, H> ::core::fmt::Debug for $name<R, M, H> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(::core::stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<R, M: $crate::__private::Mode, H> $name<R, M, H> {
            /// Sets the timeout of this call, instead of the client's default.
            pub fn timeout(self, timeout: ::core::time::Duration) -> Self {
                Self { call: self.call.timeout(timeout) }
            }

            /// Calls `handler` with every progress report of the module. The handler may borrow.
            pub fn on_progress<'h>(
                self,
                handler: impl ::core::ops::FnMut(&$crate::__private::Report)
                + ::core::marker::Send
                + 'h,
            ) -> $name<R, M, $crate::__private::OnProgress<'h>> {
                $name { call: self.call.on_progress(handler) }
            }
        }

        impl<R, M: $crate::__private::Mode> $name<R, M> {
            /// Makes a job of the call, whose answer the broker keeps. See `dasf::client::Job`.
            pub fn submit(self) -> $crate::__private::Submit<R, M> {
                self.call.submit()
            }
        }

        impl<R: $crate::generated::serde::de::DeserializeOwned>
            $name<R, $crate::__private::Blocking, $crate::__private::OnProgress<'_>>
        {
            /// Sends the call and waits for its result.
            ///
            /// # Errors
            /// See `dasf::CallError`.
            pub fn send(self) -> ::core::result::Result<R, $crate::client::CallError> {
                self.call.send()
            }
        }

        impl<'h, R: $crate::generated::serde::de::DeserializeOwned + 'h> ::core::future::IntoFuture
            for $name<R, $crate::__private::Async, $crate::__private::OnProgress<'h>>
        {
            type Output = ::core::result::Result<R, $crate::client::CallError>;
            type IntoFuture = $crate::client::CallFuture<'h, R>;

            fn into_future(self) -> Self::IntoFuture {
                ::core::future::IntoFuture::into_future(self.call)
            }
        }
    };
}
