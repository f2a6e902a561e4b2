//! Tokens whose names are their own.

/// As `quote!`, but a local variable that it names is no variable of the user's, whatever that is
/// called. Tokens that are interpolated keep what they mean.
macro_rules! q {
    ($($tokens:tt)*) => {
        quote::quote_spanned!(proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

pub(crate) use q;
