//! The annotated function: its signature parsed, its body left as tokens, so that a half-typed
//! body neither stops the expansion nor takes completion away from an editor.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, FnArg, Ident, Pat, Signature, Token, Visibility, braced, token};

/// A function with a body that need not be valid Rust.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Attributes above and below ours, doc comments included.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The braces of the body, for spans.
    pub(crate) brace: token::Brace,
    /// `#![…]` at the top of the body.
    pub(crate) inner_attrs: Vec<Attribute>,
    /// What stands between the braces, inner attributes left out.
    pub(crate) body: TokenStream,
}

/// A name that the arguments of a function bind.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) name: Ident,
    /// The `#[cfg]`s of the argument: what uses the name must carry them too.
    pub(crate) cfgs: Vec<Attribute>,
}

impl Function {
    /// All names the arguments bind, in order; `self` and the parts of patterns included.
    pub(crate) fn bindings(&self) -> Vec<Binding> {
        self.bindings_of(|_| true)
    }

    /// The names that those arguments bind which `is_asked` picks.
    pub(crate) fn bindings_of(&self, is_asked: fn(&FnArg) -> bool) -> Vec<Binding> {
        let mut found = Vec::new();
        for input in self.sig.inputs.iter().filter(|input| is_asked(input)) {
            match input {
                FnArg::Receiver(receiver) => found.push(Binding {
                    name: Ident::new("self", receiver.self_token.span),
                    cfgs: cfgs(&receiver.attrs),
                }),
                FnArg::Typed(typed) => {
                    let cfgs = cfgs(&typed.attrs);
                    names(&typed.pat, &mut |name| {
                        found.push(Binding {
                            name: name.clone(),
                            cfgs: cfgs.clone(),
                        });
                    });
                }
            }
        }
        found
    }
}

fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .cloned()
        .collect()
}

fn names(pat: &Pat, found: &mut impl FnMut(&Ident)) {
    match pat {
        Pat::Ident(ident) => {
            found(&ident.ident);
            if let Some((_, inner)) = &ident.subpat {
                names(inner, found);
            }
        }
        Pat::Paren(inner) => names(&inner.pat, found),
        Pat::Reference(inner) => names(&inner.pat, found),
        Pat::Tuple(tuple) => tuple.elems.iter().for_each(|pat| names(pat, found)),
        Pat::TupleStruct(tuple) => tuple.elems.iter().for_each(|pat| names(pat, found)),
        Pat::Slice(slice) => slice.elems.iter().for_each(|pat| names(pat, found)),
        Pat::Struct(fields) => fields
            .fields
            .iter()
            .for_each(|field| names(&field.pat, found)),
        // All alternatives bind the same names.
        Pat::Or(or) => or.cases.iter().take(1).for_each(|pat| names(pat, found)),
        _ => {}
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        refuse(input)?;
        let sig: Signature = input.parse()?;
        if let Some(constness) = &sig.constness {
            return Err(Error::new_spanned(
                constness,
                format!(
                    "a `const fn` cannot record spans, because it may run while compiling: \
                     annotate the function that calls `{}`, or drop `const`",
                    sig.ident
                ),
            ));
        }
        if input.peek(Token![;]) {
            return Err(Error::new_spanned(
                &sig.ident,
                format!(
                    "`{}` has no body to trace: annotate the function where it is implemented",
                    sig.ident
                ),
            ));
        }
        let content;
        let brace = braced!(content in input);
        Ok(Self {
            attrs,
            vis,
            sig,
            brace,
            inner_attrs: content.call(Attribute::parse_inner)?,
            body: content.parse()?,
        })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attr in &self.attrs {
            attr.to_tokens(tokens);
        }
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.brace.surround(tokens, |tokens| {
            for attr in &self.inner_attrs {
                attr.to_tokens(tokens);
            }
            self.body.to_tokens(tokens);
        });
    }
}

/// Says what to do instead if `input`, behind its attributes and visibility, is no function.
fn refuse(input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    let what = match ahead.parse::<TokenTree>() {
        Ok(TokenTree::Ident(word)) => {
            let next = ahead.parse::<TokenTree>().map_or_else(
                |_| String::new(),
                |token| match token {
                    TokenTree::Group(group)
                        if group.delimiter() == proc_macro2::Delimiter::Brace =>
                    {
                        "{".to_owned()
                    }
                    other => other.to_string(),
                },
            );
            not_a_function(&word.unraw().to_string(), &next)
        }
        Ok(TokenTree::Punct(punct)) if punct.as_char() == '|' => Some(CLOSURE),
        Ok(TokenTree::Group(group)) if group.delimiter() == proc_macro2::Delimiter::Brace => {
            Some(BLOCK)
        }
        _ => None,
    };
    match what {
        Some(what) => Err(input.error(format!("`#[enhanced_trace]` goes on functions: {what}"))),
        None => Ok(()),
    }
}

const CLOSURE: &str =
    "a closure cannot carry it; move the closure's body into a function and annotate that";
const BLOCK: &str =
    "a block cannot carry it; move the block into a function, or an `async fn`, and annotate that";

fn not_a_function(word: &str, next: &str) -> Option<&'static str> {
    Some(match (word, next) {
        ("struct" | "enum" | "union", _) => {
            "a type is never called; annotate its methods one by one"
        }
        ("impl", _) | ("unsafe", "impl") => "annotate the methods inside the `impl` one by one",
        ("trait" | "auto", _) | ("unsafe", "trait") => {
            "annotate the methods where the trait is implemented, or the provided ones inside it"
        }
        ("mod", _) => "annotate the functions inside the module one by one",
        ("extern", "crate") | ("use", _) => "an import is never called",
        ("type", _) => "a type alias is never called",
        ("static" | "let", _) => {
            "a variable is never called; annotate the function that computes its value"
        }
        ("const", next) if !matches!(next, "fn" | "unsafe" | "extern" | "async") => {
            "a constant is never called; annotate the function that uses it"
        }
        ("macro_rules" | "macro", _) => "annotate the functions that the macro makes",
        ("move", _) | ("async", "|") => CLOSURE,
        ("async", "move" | "{") | ("unsafe", "{") => BLOCK,
        _ => return None,
    })
}
