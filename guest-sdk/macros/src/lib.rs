//! The attributes of `lamina-guest-sdk`; use them through that crate, which they name as `::lamina`.
//!
//! Each leaves the function it stands on as it was, so a test can call it, and adds the component
//! export beside it. Off wasm there is no export, only a check that the signature is one the
//! attribute takes, so a mistake shows in a native build too.
//!
//! Refused: `async`, generic, `unsafe` and method functions, and attribute arguments.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Error, FnArg, Ident, ItemFn, parse_macro_input, spanned::Spanned};

/// Makes a function the handler of an event component.
///
/// `fn(event: E) -> Result<R, X>` or `fn(event: E, ctx: Context) -> Result<R, X>`, where `E` is
/// `serde::de::DeserializeOwned` or `lamina::Raw`, `R` is `serde::Serialize` or `lamina::Raw`, and
/// `X` converts into `lamina::Error`. One to a crate.
///
/// A handler whose last parameter is a `lamina::ResponseStream` writes its response there, and returns `Result<(), X>`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute("handler", arguments.into(), parse_macro_input!(item as ItemFn), 1..=3, |name| Exports {
        wasm: quote! {
            impl ::lamina::__rt::event::Guest for Function {
                fn handle(
                    event: ::std::vec::Vec<u8>,
                    context: ::lamina::__rt::event::WitContext,
                ) -> ::std::result::Result<::std::vec::Vec<u8>, ::lamina::__rt::event::FunctionError> {
                    ::lamina::__rt::event::run(&#name, event, context)
                }
            }
            ::lamina::__rt::event::export!(Function with_types_in ::lamina::__rt::event::bindings);
        },
        native: quote! { ::lamina::__rt::check_event_handler(&#name) },
    })
    .into()
}

/// Makes a function the handler of an HTTP component (`wasi:http/incoming-handler@0.2`).
///
/// `fn(request: http::Request<B>) -> Result<http::Response<C>, X>`, optionally with a `Context` as
/// second argument, where `B` is `lamina::FromBody`, `C` converts into `lamina::Body`, and `X`
/// converts into `lamina::Error`. One to a crate.
#[proc_macro_attribute]
pub fn http(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute("http", arguments.into(), parse_macro_input!(item as ItemFn), 1..=2, |name| Exports {
        wasm: quote! {
            impl ::lamina::__rt::http::Guest for Function {
                fn handle(
                    request: ::lamina::__rt::http::IncomingRequest,
                    response: ::lamina::__rt::http::ResponseOutparam,
                ) {
                    ::lamina::__rt::http::run(&#name, request, response);
                }
            }
            ::lamina::__rt::http::export!(Function with_types_in ::lamina::__rt::http::bindings);
        },
        native: quote! { ::lamina::__rt::check_http_handler(&#name) },
    })
    .into()
}

/// Makes `fn() -> Result<(), X>` the init hook, run once as an execution environment starts.
///
/// Works beside either kind of handler. One to a crate.
#[proc_macro_attribute]
pub fn init(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute("init", arguments.into(), parse_macro_input!(item as ItemFn), 0..=0, |name| Exports {
        wasm: quote! {
            impl ::lamina::__rt::init::Guest for Function {
                fn init() -> ::std::result::Result<(), ::lamina::__rt::init::FunctionError> {
                    ::lamina::__rt::init::run(#name)
                }
            }
            ::lamina::__rt::init::export!(Function with_types_in ::lamina::__rt::init::bindings);
        },
        native: quote! { ::lamina::__rt::check_init(#name) },
    })
    .into()
}

/// What stands beside the function: the export on wasm, the signature check elsewhere.
struct Exports {
    wasm: Tokens,
    native: Tokens,
}

fn attribute(
    attribute: &str,
    arguments: Tokens,
    function: ItemFn,
    inputs: std::ops::RangeInclusive<usize>,
    exports: impl FnOnce(&Ident) -> Exports,
) -> Tokens {
    // The function stays in the output beside the error, so the compiler does not also report it missing.
    if let Err(error) = check(attribute, &arguments, &function, inputs) {
        let error = error.to_compile_error();
        return quote! { #function #error };
    }
    let Exports { wasm, native } = exports(&function.sig.ident);
    quote! {
        #function

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "a component export is an `extern` function taking raw pointers")]
        const _: () = {
            struct Function;
            #wasm
        };

        #[cfg(not(target_family = "wasm"))]
        const _: fn() = || #native;
    }
}

fn check(
    attribute: &str,
    arguments: &Tokens,
    function: &ItemFn,
    inputs: std::ops::RangeInclusive<usize>,
) -> Result<(), Error> {
    let signature = &function.sig;
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), format!("`#[lamina::{attribute}]` takes no arguments")));
    }
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new(
            keyword.span(),
            "a handler is a plain function: an execution environment serves one invocation at a time, \
             so block instead of awaiting",
        ));
    }
    if let Some(keyword) = &signature.unsafety {
        return Err(Error::new(keyword.span(), format!("`#[lamina::{attribute}]` takes a safe function")));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "the host calls one function: name its types"));
    }
    if let Some(receiver @ FnArg::Receiver(_)) = signature.inputs.first() {
        return Err(Error::new(receiver.span(), "a free function, not a method"));
    }
    if !inputs.contains(&signature.inputs.len()) {
        let expected = match attribute {
            "handler" => {
                "`fn(event: E) -> Result<R, Error>`, optionally with `ctx: Context` and `out: ResponseStream` behind the event"
            }
            "http" => {
                "`fn(request: http::Request<B>) -> Result<http::Response<C>, Error>`, \
                 optionally with `ctx: Context` as second argument"
            }
            _ => "`fn() -> Result<(), Error>`",
        };
        return Err(Error::new(signature.inputs.span(), format!("expected {expected}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refusal(name: &str, arguments: Tokens, function: ItemFn) -> String {
        let inputs = if name == "init" { 0..=0 } else { 1..=2 };
        check(name, &arguments, &function, inputs).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn plain_functions_are_taken() {
        assert_eq!(
            refusal(
                "handler",
                quote!(),
                parse_quote!(
                    fn f(event: u8) -> Result<u8, Error> {}
                )
            ),
            ""
        );
        assert_eq!(
            refusal(
                "http",
                quote!(),
                parse_quote!(
                    pub(crate) fn f(r: R, ctx: Context) -> A {}
                )
            ),
            ""
        );
        assert_eq!(
            refusal(
                "init",
                quote!(),
                parse_quote!(
                    fn f() -> Result<(), Error> {}
                )
            ),
            ""
        );
    }

    #[test]
    fn each_other_shape_is_refused_with_its_reason() {
        let refused: [(&str, Tokens, ItemFn, &str); 8] = [
            (
                "handler",
                quote!(),
                parse_quote!(
                    async fn f(event: u8) -> R {}
                ),
                "block instead of awaiting",
            ),
            (
                "handler",
                quote!(),
                parse_quote!(
                    unsafe fn f(event: u8) -> R {}
                ),
                "a safe function",
            ),
            (
                "handler",
                quote!(),
                parse_quote!(
                    fn f<T>(event: T) -> R {}
                ),
                "name its types",
            ),
            (
                "handler",
                quote!(),
                parse_quote!(
                    fn f(&self, event: u8) -> R {}
                ),
                "not a method",
            ),
            (
                "handler",
                quote!(),
                parse_quote!(
                    fn f() -> R {}
                ),
                "expected `fn(event: E)",
            ),
            (
                "http",
                quote!(),
                parse_quote!(
                    fn f(a: A, b: B, c: C) -> R {}
                ),
                "expected `fn(request:",
            ),
            (
                "init",
                quote!(),
                parse_quote!(
                    fn f(event: u8) -> R {}
                ),
                "expected `fn()",
            ),
            (
                "init",
                quote!(eager),
                parse_quote!(
                    fn f() -> R {}
                ),
                "takes no arguments",
            ),
        ];
        for (name, arguments, function, reason) in refused {
            let told = refusal(name, arguments, function);
            assert!(told.contains(reason), "{told:?} does not say {reason:?}");
        }
    }

    #[test]
    fn a_refused_function_still_stands() {
        let function: ItemFn = parse_quote!(
            async fn f(event: u8) -> R {}
        );
        let output = attribute("handler", quote!(), function, 1..=2, |_| unreachable!()).to_string();
        assert!(output.contains("async fn f") && output.contains("compile_error"), "{output}");
    }
}
