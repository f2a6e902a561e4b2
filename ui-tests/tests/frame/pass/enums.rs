#![deny(warnings, missing_docs, unsafe_code)]
//! Enums, nesting, recursion, arguments.

use netpoll::Frame;

const PONG: u8 = 9;

/// Every variant.
#[derive(Frame)]
#[frame(tag = u8, trailing = keep)]
pub enum Message<'a> {
    /// Nothing but a tag.
    #[frame(tag = 0)]
    Ping,
    /// A constant as tag.
    #[frame(tag = PONG)]
    Pong,
    /// Named fields.
    #[frame(tag = b'n')]
    Named {
        /// One.
        id: u16,
        /// Another.
        #[frame(prefix = u8)]
        name: &'a str,
    },
    /// Another frame.
    #[frame(tag = 3)]
    Tree(Tree),
    /// All other tags.
    #[frame(tag = _)]
    Other(u8, #[frame(prefix = u8)] &'a [u8]),
}

/// A frame within others of its kind.
#[derive(Frame)]
#[frame(recursive(depth = 8))]
pub struct Tree {
    value: i32,
    #[frame(count_prefix = u8)]
    children: Vec<Tree>,
}

/// A list.
#[derive(Frame)]
#[frame(tag = i8, recursive(depth = 100))]
pub enum List {
    /// The end.
    #[frame(tag = -1)]
    End,
    /// More.
    #[frame(tag = 1)]
    Cons(u8, Box<Self>),
    /// Pairs.
    #[frame(tag = 2)]
    Map(#[frame(count_prefix = u8)] Vec<(Self, Self)>),
}

/// What needs to be told something.
#[derive(Frame)]
#[frame(args(kind: u8, long: bool), tag = kind)]
pub enum Body {
    /// A number.
    #[frame(tag = 1)]
    Number(#[frame(if = long)] Option<u32>),
    /// None.
    #[frame(tag = 2)]
    Nothing,
}

/// What tells it.
#[derive(Frame)]
pub struct Outer {
    kind: u8,
    long: bool,
    #[frame(args(kind, long))]
    body: Body,
}

fn main() {}
