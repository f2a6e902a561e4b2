// The expansion of:
//
//     #[derive(Frame)]
//     struct H2<'a> {
//         #[frame(u24, len(of = payload))]
//         n: Auto<u32>,
//         kind: u8,
//         flags: u8,
//         #[frame(bits = 1)]
//         r: bool,
//         #[frame(bits = 31)]
//         stream: u32,
//         payload: &'a [u8],
//     }

#[allow(clippy::needless_question_mark)]
const _: () = {
    use ::netpoll::__private::derived as p;
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a, __S> p::Wire<'a, __S> for H2<'a> {
        const FIXED: ::core::option::Option<usize> = ::core::option::Option::None;
        const MIN: usize = 9usize;
        const EXACT: bool = true;
        type Skip = ();
        #[inline]
        fn skip(
            s: &mut Self::Skip,
            c: &mut p::Cursor<'_>,
        ) -> ::core::result::Result<(), p::Stop> {
            let _ = s;
            let least = 6usize;
            c.owe(least);
            let b = c.take::<3usize>()?;
            c.settle(least);
            let v0 = <u32 as p::Fixed<p::U24<p::Be>>>::load(&b[0usize..]);
            let n = p::scan_amount(c, v0, 1, 0, ::core::primitive::usize::MAX)
                .map_err(|e| e.in_field("n"))?;
            c.finish((c.pos() + 6usize).saturating_add(n), 6usize)
                .map_err(|e| e.in_field("n"))?;
            ::core::result::Result::Ok(())
        }
        #[inline]
        fn get(r: &mut p::Decoder<'a>) -> ::core::result::Result<Self, p::DecodeError> {
            let b = p::run::<
                9usize,
            >(
                r,
                &[
                    ("n", 3usize),
                    ("kind", 4usize),
                    ("flags", 5usize),
                    ("r", 9usize),
                    ("stream", 5usize),
                ],
            )?;
            let f0 = p::Auto::new(<u32 as p::Fixed<p::U24<p::Be>>>::load(&b[0usize..]));
            let f1 = <u8 as p::Fixed<p::Be>>::load(&b[3usize..]);
            let f2 = <u8 as p::Fixed<p::Be>>::load(&b[4usize..]);
            let g = p::load_bits(&b[5usize..9usize]);
            let f3 = p::get_bits::<bool>(g, 31u32, 1u32);
            let f4 = p::get_bits::<u32>(g, 0u32, 31u32);
            let f5 = {
                let n = p::get_amount(r, f0.get(), 1, 0, ::core::primitive::usize::MAX)
                    .map_err(|e| e.in_field("n"))?;
                <&'a [u8] as p::Wire<'a, p::Be>>::get_sized(r, n)
                    .map_err(|e| e.in_field("payload"))?
            };
            ::core::result::Result::Ok(Self {
                n: f0,
                kind: f1,
                flags: f2,
                r: f3,
                stream: f4,
                payload: f5,
            })
        }
        #[inline]
        fn size(&self) -> usize {
            let Self { n: f0, kind: f1, flags: f2, r: f3, stream: f4, payload: f5 } = self;
            9usize + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f5) })
        }
        #[inline]
        fn put(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            let Self { n: f0, kind: f1, flags: f2, r: f3, stream: f4, payload: f5 } = self;
            let mut b = [0u8; 9usize];
            <u32 as p::Fixed<
                p::U24<p::Be>,
            >>::store(
                p::fitting::<
                    u32,
                    p::U24<p::Be>,
                >(
                        w,
                        p::put_amount::<
                            u32,
                        >(
                                w,
                                0usize + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f5) }),
                                1,
                                0,
                                ::core::primitive::usize::MAX,
                            )
                            .map_err(|e| e.in_field("n"))?,
                    )
                    .map_err(|e| e.in_field("n"))?,
                &mut b[0usize..],
            );
            <u8 as p::Fixed<p::Be>>::store(*f1, &mut b[3usize..]);
            <u8 as p::Fixed<p::Be>>::store(*f2, &mut b[4usize..]);
            let mut g = 0u64;
            g |= p::put_bits::<bool>(w, *f3, 31u32, 1u32).map_err(|e| e.in_field("r"))?;
            g
                |= p::put_bits::<u32>(w, *f4, 0u32, 31u32)
                    .map_err(|e| e.in_field("stream"))?;
            p::store_bits(g, &mut b[5usize..9usize]);
            w.array(b)?;
            p::put_wire::<&'a [u8], p::Be>(f5, w).map_err(|e| e.in_field("payload"))?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a> p::Frame for H2<'a> {
        type Scan = p::Scan<H2<'static>>;
        type At<'__b> = H2<'__b>;
        const FIXED: ::core::option::Option<usize> = <H2<
            'static,
        > as p::Wire<'static, p::Be>>::FIXED;
        const MIN: usize = <H2<'static> as p::Wire<'static, p::Be>>::MIN;
    }
    #[automatically_derived]
    impl<'a> p::Decode<'a> for H2<'a> {
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
    impl<'a> p::Encode for H2<'a> {
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
