// The expansion of:
//
//     #[derive(Frame)]
//     struct Kafka<'a> {
//         #[frame(len(of = rest))]
//         n: Auto<u32>,
//         api: i16,
//         ver: i16,
//         #[frame(seq)]
//         corr: i32,
//         #[frame(prefix = i16, none = -1)]
//         client: Option<&'a str>,
//         #[frame(if = flexible(api, ver))]
//         tags: Option<TagList<'a>>,
//         #[frame(rest)]
//         body: &'a [u8],
//     }

#[allow(clippy::needless_question_mark)]
const _: () = {
    use ::netpoll::__private::derived as p;
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a, __S> p::Wire<'a, __S> for Kafka<'a>
    where
        for<'__w> TagList<'__w>: p::Wire<'__w, p::Be>,
    {
        const FIXED: ::core::option::Option<usize> = ::core::option::Option::None;
        const MIN: usize = 12usize + <i16 as p::Prefix<p::Be>>::MIN;
        const EXACT: bool = true;
        type Skip = ();
        #[inline]
        fn skip(
            s: &mut Self::Skip,
            c: &mut p::Cursor<'_>,
        ) -> ::core::result::Result<(), p::Stop> {
            let _ = s;
            let least = 8usize + <i16 as p::Prefix<p::Be>>::MIN;
            c.owe(least);
            let b = c.take::<4usize>()?;
            c.settle(least);
            let v0 = <u32 as p::Fixed<p::Be>>::load(&b[0usize..]);
            let n = p::scan_amount(c, v0, 1, 0, ::core::primitive::usize::MAX)
                .map_err(|e| e.in_field("n"))?;
            c.finish(
                    (c.pos() + 0usize).saturating_add(n),
                    8usize + <i16 as p::Prefix<p::Be>>::MIN,
                )
                .map_err(|e| e.in_field("n"))?;
            ::core::result::Result::Ok(())
        }
        #[inline]
        fn get(r: &mut p::Decoder<'a>) -> ::core::result::Result<Self, p::DecodeError> {
            let b = p::run::<
                12usize,
            >(r, &[("n", 4usize), ("api", 6usize), ("ver", 8usize), ("corr", 12usize)])?;
            let f0 = p::Auto::new(<u32 as p::Fixed<p::Be>>::load(&b[0usize..]));
            let f1 = <i16 as p::Fixed<p::Be>>::load(&b[4usize..]);
            let f2 = <i16 as p::Fixed<p::Be>>::load(&b[6usize..]);
            let f3 = <i32 as p::Fixed<p::Be>>::load(&b[8usize..]);
            let n = p::get_amount(r, f0.get(), 1, 0, ::core::primitive::usize::MAX)
                .map_err(|e| e.in_field("n"))?;
            let region0 = r.enter_to(r.pos() - 8usize + n).map_err(|e| e.in_field("n"))?;
            let f4 = {
                let n = p::get_prefix::<i16, p::Be>(r)
                    .map_err(|e| e.in_field("client"))?;
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
                                .map_err(|e| e.in_field("client"))?;
                            <&'a str as p::Wire<'a, p::Be>>::get_sized(r, n)
                                .map_err(|e| e.in_field("client"))?
                        }
                    })
                }
            };
            let f5 = if {
                let api = f1;
                let ver = f2;
                flexible(api, ver)
            } {
                ::core::option::Option::Some(
                    <TagList<'a> as p::Wire<'a, p::Be>>::get(r)
                        .map_err(|e| e.in_field("tags"))?,
                )
            } else {
                ::core::option::Option::None
            };
            let f6 = {
                let n = r.left();
                <&'a [u8] as p::Wire<'a, p::Be>>::get_sized(r, n)
                    .map_err(|e| e.in_field("body"))?
            };
            r.finish().map_err(|e| e.in_field("body"))?;
            r.leave(region0)?;
            ::core::result::Result::Ok(Self {
                n: f0,
                api: f1,
                ver: f2,
                corr: f3,
                client: f4,
                tags: f5,
                body: f6,
            })
        }
        #[inline]
        fn size(&self) -> usize {
            let Self {
                n: f0,
                api: f1,
                ver: f2,
                corr: f3,
                client: f4,
                tags: f5,
                body: f6,
            } = self;
            12usize
                + ({
                    match f4 {
                        ::core::option::Option::Some(value) => {
                            let n = <&'a str as p::Wire<'a, p::Be>>::size(value);
                            <i16 as p::Prefix<p::Be>>::size(n as _) + n + 0usize
                        }
                        ::core::option::Option::None => {
                            <i16 as p::Prefix<p::Be>>::size(-1)
                        }
                    }
                })
                + ({
                    match f5 {
                        ::core::option::Option::Some(value) => {
                            <TagList<'a> as p::Wire<'a, p::Be>>::size(value)
                        }
                        ::core::option::Option::None => 0,
                    }
                }) + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f6) })
        }
        #[inline]
        fn put(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            let Self {
                n: f0,
                api: f1,
                ver: f2,
                corr: f3,
                client: f4,
                tags: f5,
                body: f6,
            } = self;
            let mut b = [0u8; 12usize];
            <u32 as p::Fixed<
                p::Be,
            >>::store(
                p::put_amount::<
                    u32,
                >(
                        w,
                        8usize
                            + ({
                                match f4 {
                                    ::core::option::Option::Some(value) => {
                                        let n = <&'a str as p::Wire<'a, p::Be>>::size(value);
                                        <i16 as p::Prefix<p::Be>>::size(n as _) + n + 0usize
                                    }
                                    ::core::option::Option::None => {
                                        <i16 as p::Prefix<p::Be>>::size(-1)
                                    }
                                }
                            })
                            + ({
                                match f5 {
                                    ::core::option::Option::Some(value) => {
                                        <TagList<'a> as p::Wire<'a, p::Be>>::size(value)
                                    }
                                    ::core::option::Option::None => 0,
                                }
                            }) + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f6) }),
                        1,
                        0,
                        ::core::primitive::usize::MAX,
                    )
                    .map_err(|e| e.in_field("n"))?,
                &mut b[0usize..],
            );
            <i16 as p::Fixed<p::Be>>::store(*f1, &mut b[4usize..]);
            <i16 as p::Fixed<p::Be>>::store(*f2, &mut b[6usize..]);
            <i32 as p::Fixed<p::Be>>::store(*f3, &mut b[8usize..]);
            w.array(b)?;
            match f4 {
                ::core::option::Option::Some(value) => {
                    p::put_prefix::<
                        i16,
                        p::Be,
                    >(
                            w,
                            <&'a str as p::Wire<'a, p::Be>>::size(value),
                            ::core::primitive::usize::MAX,
                        )
                        .map_err(|e| e.in_field("client"))?;
                    p::put_wire::<&'a str, p::Be>(value, w)
                        .map_err(|e| e.in_field("client"))?;
                }
                ::core::option::Option::None => {
                    p::put_number::<i16, p::Be>(w, -1)
                        .map_err(|e| e.in_field("client"))?;
                }
            }
            p::put_check(
                    w,
                    ({
                        let api = *f1;
                        let ver = *f2;
                        flexible(api, ver)
                    }) == f5.is_some(),
                    || p::FrameErrorKind::Presence,
                )
                .map_err(|e| e.in_field("tags"))?;
            match f5 {
                ::core::option::Option::Some(value) => {
                    p::put_wire::<TagList<'a>, p::Be>(value, w)
                        .map_err(|e| e.in_field("tags"))?;
                }
                ::core::option::Option::None => {}
            }
            p::put_wire::<&'a [u8], p::Be>(f6, w).map_err(|e| e.in_field("body"))?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a> p::Frame for Kafka<'a>
    where
        for<'__w> TagList<'__w>: p::Wire<'__w, p::Be>,
    {
        type Scan = p::Scan<Kafka<'static>>;
        type At<'__b> = Kafka<'__b>;
        const FIXED: ::core::option::Option<usize> = <Kafka<
            'static,
        > as p::Wire<'static, p::Be>>::FIXED;
        const MIN: usize = <Kafka<'static> as p::Wire<'static, p::Be>>::MIN;
    }
    #[automatically_derived]
    impl<'a> p::Decode<'a> for Kafka<'a>
    where
        for<'__w> TagList<'__w>: p::Wire<'__w, p::Be>,
    {
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
    impl<'a> p::Encode for Kafka<'a>
    where
        for<'__w> TagList<'__w>: p::Wire<'__w, p::Be>,
    {
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
    #[automatically_derived]
    impl<'a> p::Sequenced for Kafka<'a>
    where
        for<'__w> TagList<'__w>: p::Wire<'__w, p::Be>,
    {
        type Seq = i32;
        #[inline]
        fn seq(&self) -> i32 {
            self.corr
        }
        #[inline]
        fn set_seq(&mut self, seq: i32) {
            self.corr = seq;
        }
    }
    const _: () = p::ends::<
        TagList<'static>,
        p::Be,
    >(
        "the size of `tags` is not given\nhelp: one of `#[frame(prefix = u32)]`, `#[frame(size = n)]`, `#[frame(until = b\"\\n\")]`, `#[frame(rest)]`; or `len(of = ..)` on a field before it",
    );
};
