// The expansion of:
//
//     #[derive(Frame)]
//     struct Ws<'a> {
//         #[frame(bits = 1)]
//         fin: bool,
//         #[frame(bits = 3)]
//         rsv: u8,
//         #[frame(bits = 4)]
//         op: u8,
//         #[frame(bits = 1)]
//         mask: bool,
//         #[frame(bits = 7)]
//         n7: u8,
//         #[frame(if = n7 = = 126)]
//         n16: Option<u16>,
//         #[frame(if = n7 = = 127)]
//         n64: Option<u64>,
//         #[frame(if = mask)]
//         key: Option<u32>,
//         #[frame(size = ws_len(n7, n16, n64))]
//         body: &'a [u8],
//     }

#[allow(clippy::needless_question_mark)]
const _: () = {
    use ::netpoll::__private::derived as p;
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a, __S> p::Wire<'a, __S> for Ws<'a> {
        const FIXED: ::core::option::Option<usize> = ::core::option::Option::None;
        const MIN: usize = 2usize;
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
            let b = c.take::<2usize>()?;
            c.settle(least);
            let v3 = p::get_bits::<bool>(p::load_bits(&b[1usize..2usize]), 7u32, 1u32);
            let v4 = p::get_bits::<u8>(p::load_bits(&b[1usize..2usize]), 0u32, 7u32);
            let least = 0usize;
            c.owe(least);
            let v5 = if {
                let n7 = v4;
                n7 == 126
            } {
                ::core::option::Option::Some(
                    <p::Be as p::Repr<u16>>::scan(c).map_err(|e| e.in_field("n16"))?,
                )
            } else {
                ::core::option::Option::None
            };
            c.settle(least);
            let least = 0usize;
            c.owe(least);
            let v6 = if {
                let n7 = v4;
                n7 == 127
            } {
                ::core::option::Option::Some(
                    <p::Be as p::Repr<u64>>::scan(c).map_err(|e| e.in_field("n64"))?,
                )
            } else {
                ::core::option::Option::None
            };
            c.settle(least);
            let least = 0usize;
            c.owe(least);
            if {
                let mask = v3;
                mask
            } {
                p::skip_own::<u32, p::Be>(&mut (), c).map_err(|e| e.in_field("key"))?;
            }
            c.settle(least);
            let least = 0usize;
            c.owe(least);
            {
                let n = p::scan_amount(
                        c,
                        {
                            let n7 = v4;
                            let n16 = v5;
                            let n64 = v6;
                            ws_len(n7, n16, n64)
                        },
                        1,
                        0,
                        ::core::primitive::usize::MAX,
                    )
                    .map_err(|e| e.in_field("body"))?;
                c.skip(n)?
            };
            c.settle(least);
            ::core::result::Result::Ok(())
        }
        #[inline]
        fn get(r: &mut p::Decoder<'a>) -> ::core::result::Result<Self, p::DecodeError> {
            let b = p::run::<
                2usize,
            >(
                r,
                &[
                    ("fin", 1usize),
                    ("rsv", 0usize),
                    ("op", 0usize),
                    ("mask", 2usize),
                    ("n7", 1usize),
                ],
            )?;
            let g = p::load_bits(&b[0usize..1usize]);
            let f0 = p::get_bits::<bool>(g, 7u32, 1u32);
            let f1 = p::get_bits::<u8>(g, 4u32, 3u32);
            let f2 = p::get_bits::<u8>(g, 0u32, 4u32);
            let g = p::load_bits(&b[1usize..2usize]);
            let f3 = p::get_bits::<bool>(g, 7u32, 1u32);
            let f4 = p::get_bits::<u8>(g, 0u32, 7u32);
            let f5 = if {
                let n7 = f4;
                n7 == 126
            } {
                ::core::option::Option::Some(
                    <u16 as p::Wire<'a, p::Be>>::get(r).map_err(|e| e.in_field("n16"))?,
                )
            } else {
                ::core::option::Option::None
            };
            let f6 = if {
                let n7 = f4;
                n7 == 127
            } {
                ::core::option::Option::Some(
                    <u64 as p::Wire<'a, p::Be>>::get(r).map_err(|e| e.in_field("n64"))?,
                )
            } else {
                ::core::option::Option::None
            };
            let f7 = if {
                let mask = f3;
                mask
            } {
                ::core::option::Option::Some(
                    <u32 as p::Wire<'a, p::Be>>::get(r).map_err(|e| e.in_field("key"))?,
                )
            } else {
                ::core::option::Option::None
            };
            let f8 = {
                let n = p::get_amount(
                        r,
                        {
                            let n7 = f4;
                            let n16 = f5;
                            let n64 = f6;
                            ws_len(n7, n16, n64)
                        },
                        1,
                        0,
                        ::core::primitive::usize::MAX,
                    )
                    .map_err(|e| e.in_field("body"))?;
                <&'a [u8] as p::Wire<'a, p::Be>>::get_sized(r, n)
                    .map_err(|e| e.in_field("body"))?
            };
            ::core::result::Result::Ok(Self {
                fin: f0,
                rsv: f1,
                op: f2,
                mask: f3,
                n7: f4,
                n16: f5,
                n64: f6,
                key: f7,
                body: f8,
            })
        }
        #[inline]
        fn size(&self) -> usize {
            let Self {
                fin: f0,
                rsv: f1,
                op: f2,
                mask: f3,
                n7: f4,
                n16: f5,
                n64: f6,
                key: f7,
                body: f8,
            } = self;
            2usize
                + ({
                    match f5 {
                        ::core::option::Option::Some(value) => {
                            <u16 as p::Wire<'a, p::Be>>::size(value)
                        }
                        ::core::option::Option::None => 0,
                    }
                })
                + ({
                    match f6 {
                        ::core::option::Option::Some(value) => {
                            <u64 as p::Wire<'a, p::Be>>::size(value)
                        }
                        ::core::option::Option::None => 0,
                    }
                })
                + ({
                    match f7 {
                        ::core::option::Option::Some(value) => {
                            <u32 as p::Wire<'a, p::Be>>::size(value)
                        }
                        ::core::option::Option::None => 0,
                    }
                }) + ({ <&'a [u8] as p::Wire<'a, p::Be>>::size(f8) })
        }
        #[inline]
        fn put(
            &self,
            w: &mut p::Encoder<'_>,
        ) -> ::core::result::Result<(), p::EncodeError> {
            let Self {
                fin: f0,
                rsv: f1,
                op: f2,
                mask: f3,
                n7: f4,
                n16: f5,
                n64: f6,
                key: f7,
                body: f8,
            } = self;
            let mut b = [0u8; 2usize];
            let mut g = 0u64;
            g |= p::put_bits::<bool>(w, *f0, 7u32, 1u32).map_err(|e| e.in_field("fin"))?;
            g |= p::put_bits::<u8>(w, *f1, 4u32, 3u32).map_err(|e| e.in_field("rsv"))?;
            g |= p::put_bits::<u8>(w, *f2, 0u32, 4u32).map_err(|e| e.in_field("op"))?;
            p::store_bits(g, &mut b[0usize..1usize]);
            let mut g = 0u64;
            g
                |= p::put_bits::<bool>(w, *f3, 7u32, 1u32)
                    .map_err(|e| e.in_field("mask"))?;
            g |= p::put_bits::<u8>(w, *f4, 0u32, 7u32).map_err(|e| e.in_field("n7"))?;
            p::store_bits(g, &mut b[1usize..2usize]);
            w.array(b)?;
            p::put_check(
                    w,
                    ({
                        let n7 = *f4;
                        n7 == 126
                    }) == f5.is_some(),
                    || p::FrameErrorKind::Presence,
                )
                .map_err(|e| e.in_field("n16"))?;
            match f5 {
                ::core::option::Option::Some(value) => {
                    p::put_wire::<u16, p::Be>(value, w).map_err(|e| e.in_field("n16"))?;
                }
                ::core::option::Option::None => {}
            }
            p::put_check(
                    w,
                    ({
                        let n7 = *f4;
                        n7 == 127
                    }) == f6.is_some(),
                    || p::FrameErrorKind::Presence,
                )
                .map_err(|e| e.in_field("n64"))?;
            match f6 {
                ::core::option::Option::Some(value) => {
                    p::put_wire::<u64, p::Be>(value, w).map_err(|e| e.in_field("n64"))?;
                }
                ::core::option::Option::None => {}
            }
            p::put_check(
                    w,
                    ({
                        let mask = *f3;
                        mask
                    }) == f7.is_some(),
                    || p::FrameErrorKind::Presence,
                )
                .map_err(|e| e.in_field("key"))?;
            match f7 {
                ::core::option::Option::Some(value) => {
                    p::put_wire::<u32, p::Be>(value, w).map_err(|e| e.in_field("key"))?;
                }
                ::core::option::Option::None => {}
            }
            p::same_size(
                    w,
                    <&'a [u8] as p::Wire<'a, p::Be>>::size(f8),
                    {
                        let n7 = *f4;
                        let n16 = *f5;
                        let n64 = *f6;
                        ws_len(n7, n16, n64)
                    },
                )
                .map_err(|e| e.in_field("body"))?;
            p::put_wire::<&'a [u8], p::Be>(f8, w).map_err(|e| e.in_field("body"))?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    #[diagnostic::do_not_recommend]
    impl<'a> p::Frame for Ws<'a> {
        type Scan = p::Scan<Ws<'static>>;
        type At<'__b> = Ws<'__b>;
        const FIXED: ::core::option::Option<usize> = <Ws<
            'static,
        > as p::Wire<'static, p::Be>>::FIXED;
        const MIN: usize = <Ws<'static> as p::Wire<'static, p::Be>>::MIN;
    }
    #[automatically_derived]
    impl<'a> p::Decode<'a> for Ws<'a> {
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
    impl<'a> p::Encode for Ws<'a> {
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
