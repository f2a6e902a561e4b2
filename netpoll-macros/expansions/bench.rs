// The expansion of:
//
//     #[derive(Frame)]
//     struct Bench<'a> {
//         #[frame(len(of = rest))]
//         n: Auto<u32>,
//         #[frame(rest)]
//         body: &'a [u8],
//     }

#[allow(clippy::needless_question_mark)]
const _: () = {
    use ::netpoll::__private::derived as p;
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a, __S> p::Wire<'a, __S> for Bench<'a> {
        const FIXED: ::core::option::Option<usize> = ::core::option::Option::None;
        const MIN: usize = 4usize;
        const EXACT: bool = true;
        type Skip = ();
        #[inline]
        fn skip(
            s: &mut Self::Skip,
            c: &mut p::Cursor<'_>,
        ) -> ::core::result::Result<(), p::Stop> {
            let _ = s;
            let least = 0usize;
            c.owe(least);
            let b = c.take::<4usize>()?;
            c.settle(least);
            let v0 = <u32 as p::Fixed<p::Be>>::load(&b[0usize..]);
            let n = p::scan_amount(c, v0, 1, 0, ::core::primitive::usize::MAX)
                .map_err(|e| e.in_field("n"))?;
            c.finish((c.pos() + 0usize).saturating_add(n), 0usize)
                .map_err(|e| e.in_field("n"))?;
            ::core::result::Result::Ok(())
        }
        #[inline]
        fn get(r: &mut p::Decoder<'a>) -> ::core::result::Result<Self, p::DecodeError> {
            let b = p::run::<4usize>(r, &[("n", 4usize)])?;
            let f0 = p::Auto::new(<u32 as p::Fixed<p::Be>>::load(&b[0usize..]));
            let f1 = {
                let n = p::get_amount(r, f0.get(), 1, 0, ::core::primitive::usize::MAX)
                    .map_err(|e| e.in_field("n"))?;
                <&'a [u8] as p::Wire<'a, p::Be>>::get_sized(r, n)
                    .map_err(|e| e.in_field("body"))?
            };
            ::core::result::Result::Ok(Self { n: f0, body: f1 })
        }
        #[inline]
        fn size(&self) -> usize {
            let Self { n: f0, body: f1 } = self;
            4usize + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f1) })
        }
        #[inline]
        fn put(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            let Self { n: f0, body: f1 } = self;
            let mut b = [0u8; 4usize];
            <u32 as p::Fixed<
                p::Be,
            >>::store(
                p::put_amount::<
                    u32,
                >(
                        w,
                        0usize + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f1) }),
                        1,
                        0,
                        ::core::primitive::usize::MAX,
                    )
                    .map_err(|e| e.in_field("n"))?,
                &mut b[0usize..],
            );
            w.array(b)?;
            p::put_wire::<&'a [u8], p::Be>(f1, w).map_err(|e| e.in_field("body"))?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a> p::Frame for Bench<'a> {
        type Scan = p::Scan<Bench<'static>>;
        type At<'__b> = Bench<'__b>;
        const FIXED: ::core::option::Option<usize> = <Bench<
            'static,
        > as p::Wire<'static, p::Be>>::FIXED;
        const MIN: usize = <Bench<'static> as p::Wire<'static, p::Be>>::MIN;
    }
    #[automatically_derived]
    impl<'a> p::Decode<'a> for Bench<'a> {
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
    impl<'a> p::Encode for Bench<'a> {
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
