// The expansion of:
//
//     #[netpoll::on_request]
//     fn echo<'a>(request: Bench<'a>) -> Bench<'a> {
//         request
//     }

fn echo<'a>(request: Bench<'a>) -> Bench<'a> {
    request
}
///The function [`echo()`] as a type: a hook of a server.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, Default)]
struct echo {}
const _: () = {
    use ::netpoll::__private::glue as __p;
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync + 'static,
        __T: ::core::marker::Send + 'static,
    > __p::OnRequest<__S, __T> for echo {
        type Request = Bench<'static>;
        type At<'__c> = Bench<'__c>;
        const DISPATCH: __p::Dispatch = __p::Dispatch::Sync;
        #[inline]
        fn on_request<'__a>(
            server: &'__a __S,
            call: __p::Call<'__a, __T>,
            request: Self::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            async move {
                let _ = server;
                let __p::Call { mut out, deadline, .. } = call;
                #[allow(unused_imports)]
                use __p::{NoFaults as _, NoNumbers as _};
                if __p::Faults::<Bench<'static>>::CAN {
                    let fault_number = __p::Numbers::<
                        Bench<'static>,
                        Bench<'static>,
                    >::read(&request);
                    let result = {
                        __p::within(deadline, move || async move { echo(request) }).await
                    };
                    match result {
                        ::core::result::Result::Ok(reply) => {
                            __p::IntoReply::reply(reply, &mut __p::Plain, &mut out).await
                        }
                        ::core::result::Result::Err(fault) => {
                            __p::Faults::<
                                Bench<'static>,
                            >::put(
                                fault,
                                |reply| __p::Numbers::<
                                    Bench<'static>,
                                    Bench<'static>,
                                >::set(reply, fault_number),
                                &mut out,
                            )
                        }
                    }
                } else {
                    let reply = { echo(request) };
                    __p::IntoReply::reply(reply, &mut __p::Plain, &mut out).await
                }
            }
        }
        fn refuse(
            request: &Self::At<'_>,
            fault: __p::Fault,
            out: &mut __p::Out<'_>,
        ) -> __p::Result<__p::Flow> {
            #[allow(unused_imports)]
            use __p::{NoFaults as _, NoNumbers as _};
            let fault_number = __p::Numbers::<
                Bench<'static>,
                Bench<'static>,
            >::read(request);
            __p::Faults::<
                Bench<'static>,
            >::put(
                fault,
                |reply| __p::Numbers::<
                    Bench<'static>,
                    Bench<'static>,
                >::set(reply, fault_number),
                out,
            )
        }
        fn on_drain(out: &mut __p::Out<'_>) -> __p::Result<bool> {
            #[allow(unused_imports)]
            use __p::NoGoodbyes as _;
            __p::Goodbyes::<Bench<'static>>::say(out)
        }
    }
    impl __p::Wants for echo {
        type Session = __p::Unnamed;
    }
};
