// The expansion of:
//
//     #[derive(Frame)]
//     #[frame(tag = u8, recursive(depth = 32))]
//     enum Resp<'a> {
//         #[frame(tag = b'+')]
//         Simple(#[frame(until = b"\r\n")] &'a str),
//         #[frame(tag = b':')]
//         Int(#[frame(ascii, until = b"\r\n")] i64),
//         #[frame(tag = b'$')]
//         Bulk(#[frame(prefix = AsciiCrlf, none = -1, tail = b"\r\n")] Option<&'a [u8]>),
//         #[frame(tag = b'*')]
//         Array(#[frame(count_prefix = AsciiCrlf, none = -1)] Option<Vec<Resp<'a>>>),
//     }

#[allow(clippy::needless_question_mark)]
const _: () = {
    use ::netpoll::__private::derived as p;
    pub struct __Skip0<K0> {
        f0: K0,
    }
    impl<K0: ::core::default::Default> ::core::default::Default for __Skip0<K0> {
        #[inline]
        fn default() -> Self {
            Self {
                f0: ::core::default::Default::default(),
            }
        }
    }
    pub struct __Skip1<K0> {
        f0: K0,
    }
    impl<K0: ::core::default::Default> ::core::default::Default for __Skip1<K0> {
        #[inline]
        fn default() -> Self {
            Self {
                f0: ::core::default::Default::default(),
            }
        }
    }
    pub enum __Variant<V0, V1> {
        V0(V0),
        V1(V1),
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a, __S> p::Wire<'a, __S> for Resp<'a> {
        const FIXED: ::core::option::Option<usize> = ::core::option::Option::None;
        const MIN: usize = <p::Be as p::Repr<u8>>::MIN
            + p::least([
                2usize,
                2usize,
                0usize + <AsciiCrlf as p::Prefix<p::Be>>::MIN,
                0usize + <AsciiCrlf as p::Prefix<p::Be>>::MIN,
            ]);
        const EXACT: bool = true;
        type Skip = p::Flat<
            ::core::option::Option<__Variant<__Skip0<p::Find>, __Skip1<p::Find>>>,
        >;
        #[inline]
        fn skip(
            s: &mut Self::Skip,
            c: &mut p::Cursor<'_>,
        ) -> ::core::result::Result<(), p::Stop> {
            p::flat(
                s,
                c,
                <Self as p::Wire<'_, p::Be>>::MIN,
                |s, owed, c| {
                    if s.is_none() {
                        let least = p::least([
                            2usize,
                            2usize,
                            0usize + <AsciiCrlf as p::Prefix<p::Be>>::MIN,
                            0usize + <AsciiCrlf as p::Prefix<p::Be>>::MIN,
                        ]);
                        c.owe(least);
                        let tag = <p::Be as p::Repr<u8>>::scan(c)?;
                        c.settle(least);
                        match tag {
                            b'+' => {
                                *s = ::core::option::Option::Some(
                                    __Variant::V0(::core::default::Default::default()),
                                );
                            }
                            b':' => {
                                *s = ::core::option::Option::Some(
                                    __Variant::V1(::core::default::Default::default()),
                                );
                            }
                            b'$' => {
                                let least = 0usize;
                                c.owe(least);
                                {
                                    let n = p::scan_prefix::<AsciiCrlf, p::Be>(c)
                                        .map_err(|e| e.in_field("Bulk.0"))?;
                                    if n != -1 {
                                        p::skip_tail(
                                                c,
                                                p::scan_amount(c, n, 1, 0, ::core::primitive::usize::MAX)
                                                    .map_err(|e| e.in_field("Bulk.0"))?,
                                                b"\r\n",
                                            )
                                            .map_err(|e| e.in_field("Bulk.0"))?;
                                    }
                                };
                                c.settle(least);
                                return ::core::result::Result::Ok(());
                            }
                            b'*' => {
                                let least = 0usize;
                                c.owe(least);
                                {
                                    let n = {
                                        let n = p::scan_prefix::<AsciiCrlf, p::Be>(c)?;
                                        let n = if n == -1 { 0 } else { n };
                                        n
                                    };
                                    p::owe(c, owed, n, 1usize)
                                        .map_err(|e| e.in_field("Array.0"))?
                                };
                                c.settle(least);
                                return ::core::result::Result::Ok(());
                            }
                            _ => {
                                return ::core::result::Result::Err(
                                    c.fail(p::FrameErrorKind::Tag(tag as i128)).in_field("tag"),
                                );
                            }
                        }
                        c.commit();
                    }
                    match s {
                        ::core::option::Option::Some(__Variant::V0(s)) => {
                            let least = 0usize;
                            c.owe(least);
                            c.until(&mut s.f0, b"\r\n", ::core::primitive::usize::MAX)
                                .map_err(|e| e.in_field("Simple.0"))?;
                            c.settle(least);
                        }
                        ::core::option::Option::Some(__Variant::V1(s)) => {
                            let least = 0usize;
                            c.owe(least);
                            c.until(&mut s.f0, b"\r\n", ::core::primitive::usize::MAX)
                                .map_err(|e| e.in_field("Int.0"))?;
                            c.settle(least);
                        }
                        ::core::option::Option::None => {}
                    }
                    ::core::result::Result::Ok(())
                },
            )
        }
        #[inline]
        fn get(r: &mut p::Decoder<'a>) -> ::core::result::Result<Self, p::DecodeError> {
            r.nest(
                32,
                |r| {
                    let at = r.pos();
                    let tag = <p::Be as p::Repr<u8>>::get(r)
                        .map_err(|e| e.in_field("tag"))?;
                    ::core::result::Result::Ok(
                        match tag {
                            b'+' => {
                                let f0 = {
                                    let n = p::get_amount(
                                            r,
                                            r.before(b"\r\n").map_err(|e| e.in_field("Simple.0"))?,
                                            1,
                                            0,
                                            ::core::primitive::usize::MAX,
                                        )
                                        .map_err(|e| e.in_field("Simple.0"))?;
                                    let value = <&'a str as p::Wire<'a, p::Be>>::get_sized(r, n)
                                        .map_err(|e| e.in_field("Simple.0"))?;
                                    r.skip(2usize)?;
                                    value
                                };
                                Self::Simple { 0: f0 }
                            }
                            b':' => {
                                let f0 = {
                                    let n = p::get_amount(
                                            r,
                                            r.before(b"\r\n").map_err(|e| e.in_field("Int.0"))?,
                                            1,
                                            0,
                                            ::core::primitive::usize::MAX,
                                        )
                                        .map_err(|e| e.in_field("Int.0"))?;
                                    let value = <i64 as p::Wire<'a, p::Ascii>>::get_sized(r, n)
                                        .map_err(|e| e.in_field("Int.0"))?;
                                    r.skip(2usize)?;
                                    value
                                };
                                Self::Int { 0: f0 }
                            }
                            b'$' => {
                                let f0 = {
                                    let n = p::get_prefix::<AsciiCrlf, p::Be>(r)
                                        .map_err(|e| e.in_field("Bulk.0"))?;
                                    if n == -1 {
                                        ::core::option::Option::None
                                    } else {
                                        ::core::option::Option::Some({
                                            {
                                                let n = p::get_amount(
                                                        r,
                                                        n,
                                                        1,
                                                        0,
                                                        ::core::primitive::usize::MAX,
                                                    )
                                                    .map_err(|e| e.in_field("Bulk.0"))?;
                                                let value = <&'a [u8] as p::Wire<
                                                    'a,
                                                    p::Be,
                                                >>::get_sized(r, n)
                                                    .map_err(|e| e.in_field("Bulk.0"))?;
                                                p::get_constant(r, b"\r\n")
                                                    .map_err(|e| e.in_field("Bulk.0"))?;
                                                value
                                            }
                                        })
                                    }
                                };
                                Self::Bulk { 0: f0 }
                            }
                            b'*' => {
                                let f0 = {
                                    let n = p::get_prefix::<AsciiCrlf, p::Be>(r)
                                        .map_err(|e| e.in_field("Array.0"))?;
                                    if n == -1 {
                                        ::core::option::Option::None
                                    } else {
                                        ::core::option::Option::Some({
                                            {
                                                let n = n;
                                                p::get_list::<Resp<'a>, p::Be>(r, n)
                                                    .map_err(|e| e.in_field("Array.0"))?
                                            }
                                        })
                                    }
                                };
                                Self::Array { 0: f0 }
                            }
                            tag => {
                                return ::core::result::Result::Err(
                                    p::DecodeError::new(p::FrameErrorKind::Tag(tag as i128), at)
                                        .in_field("tag"),
                                );
                            }
                        },
                    )
                },
            )
        }
        #[inline]
        fn size(&self) -> usize {
            <p::Be as p::Repr<u8>>::MIN
                + match self {
                    Self::Simple { 0: f0 } => {
                        0usize + ({ <&'a str as p::Wire<'a, p::Be>>::size(f0) + 2usize })
                    }
                    Self::Int { 0: f0 } => {
                        0usize + ({ <i64 as p::Wire<'a, p::Ascii>>::size(f0) + 2usize })
                    }
                    Self::Bulk { 0: f0 } => {
                        0usize
                            + ({
                                match f0 {
                                    ::core::option::Option::Some(value) => {
                                        let n = <&'a [u8] as p::Wire<'a, p::Be>>::size(value);
                                        <AsciiCrlf as p::Prefix<p::Be>>::size(n as _) + n + 2usize
                                    }
                                    ::core::option::Option::None => {
                                        <AsciiCrlf as p::Prefix<p::Be>>::size(-1)
                                    }
                                }
                            })
                    }
                    Self::Array { 0: f0 } => {
                        0usize
                            + ({
                                match f0 {
                                    ::core::option::Option::Some(value) => {
                                        <AsciiCrlf as p::Prefix<p::Be>>::size(value.len() as _)
                                            + p::size_list::<Resp<'a>, p::Be>(value)
                                    }
                                    ::core::option::Option::None => {
                                        <AsciiCrlf as p::Prefix<p::Be>>::size(-1)
                                    }
                                }
                            })
                    }
                }
        }
        #[inline]
        fn put(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            match self {
                Self::Simple { 0: f0 } => {
                    <p::Be as p::Repr<u8>>::put(b'+', w)?;
                    p::put_wire::<&'a str, p::Be>(f0, w)
                        .map_err(|e| e.in_field("Simple.0"))?;
                    w.write(b"\r\n")?;
                }
                Self::Int { 0: f0 } => {
                    <p::Be as p::Repr<u8>>::put(b':', w)?;
                    p::put_wire::<i64, p::Ascii>(f0, w)
                        .map_err(|e| e.in_field("Int.0"))?;
                    w.write(b"\r\n")?;
                }
                Self::Bulk { 0: f0 } => {
                    <p::Be as p::Repr<u8>>::put(b'$', w)?;
                    match f0 {
                        ::core::option::Option::Some(value) => {
                            p::put_prefix::<
                                AsciiCrlf,
                                p::Be,
                            >(
                                    w,
                                    <&'a [u8] as p::Wire<'a, p::Be>>::size(value),
                                    ::core::primitive::usize::MAX,
                                )
                                .map_err(|e| e.in_field("Bulk.0"))?;
                            p::put_wire::<&'a [u8], p::Be>(value, w)
                                .map_err(|e| e.in_field("Bulk.0"))?;
                            w.write(b"\r\n")?;
                        }
                        ::core::option::Option::None => {
                            p::put_number::<AsciiCrlf, p::Be>(w, -1)
                                .map_err(|e| e.in_field("Bulk.0"))?;
                        }
                    }
                }
                Self::Array { 0: f0 } => {
                    <p::Be as p::Repr<u8>>::put(b'*', w)?;
                    match f0 {
                        ::core::option::Option::Some(value) => {
                            p::put_prefix::<
                                AsciiCrlf,
                                p::Be,
                            >(w, value.len(), ::core::primitive::usize::MAX)
                                .map_err(|e| e.in_field("Array.0"))?;
                            p::put_list::<Resp<'a>, p::Be>(value, w)
                                .map_err(|e| e.in_field("Array.0"))?;
                        }
                        ::core::option::Option::None => {
                            p::put_number::<AsciiCrlf, p::Be>(w, -1)
                                .map_err(|e| e.in_field("Array.0"))?;
                        }
                    }
                }
            }
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a> p::Frame for Resp<'a> {
        type Scan = p::Scan<Resp<'static>>;
        type At<'__b> = Resp<'__b>;
        const FIXED: ::core::option::Option<usize> = <Resp<
            'static,
        > as p::Wire<'static, p::Be>>::FIXED;
        const MIN: usize = <Resp<'static> as p::Wire<'static, p::Be>>::MIN;
        #[inline]
        fn route_of<'f>(
            frame: &'f Self::At<'_>,
        ) -> ::core::option::Option<p::Route<'f>> {
            ::core::option::Option::Some(
                p::Route::Text(
                    match frame {
                        Resp::Simple { .. } => "Simple",
                        Resp::Int { .. } => "Int",
                        Resp::Bulk { .. } => "Bulk",
                        Resp::Array { .. } => "Array",
                    },
                ),
            )
        }
    }
    #[automatically_derived]
    impl<'a> p::Decode<'a> for Resp<'a> {
        #[inline]
        fn decode(
            r: &mut p::Decoder<'a>,
        ) -> ::core::result::Result<Self, p::DecodeError> {
            let value = <Self as p::Wire<'a, p::Be>>::get(r)?;
            r.finish()?;
            ::core::result::Result::Ok(value)
        }
    }
    #[automatically_derived]
    impl<'a> p::Encode for Resp<'a> {
        #[inline]
        fn encoded_len(&self) -> usize {
            <Self as p::Wire<'a, p::Be>>::size(self)
        }
        #[inline]
        fn encode(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            <Self as p::Wire<'a, p::Be>>::put(self, w)
        }
    }
};
