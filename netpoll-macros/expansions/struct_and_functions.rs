// The expansion of:
//
//     #[netpoll::server(listen = "0.0.0.0:8888", on_request = call, on_error = fault)]
//     struct Rpc {
//         reg: Registry,
//     }
//     #[netpoll::on_request(concurrent = 256, timeout = "1s")]
//     async fn call(
//         st: State<'_, Rpc>,
//         cancel: Cancel,
//         req: TtHeader<'_>,
//     ) -> Result<TtReply, RpcError> {
//         st.reg.call(cancel, req).await
//     }

struct Rpc {
    reg: Registry,
}
const _: () = {
    use ::netpoll::__private::glue as __p;
    type __Session = __p::Chosen<call, __p::NoHook>;
    impl __p::HookSet for Rpc {
        type Session = __Session;
        type Prepare = __p::NoHook;
        type Connect = __p::NoHook;
        type Request = call;
        type Disconnect = __p::NoHook;
        type HalfClose = __p::NoHook;
        type Close = __p::NoHook;
        type Error = fault;
        type Idle = __p::NoHook;
    }
    impl Rpc {
        /// Returns the server's settings: those of its attribute, to be changed and added to.
        pub fn builder(self) -> __p::EventLoopBuilder<Self> {
            __p::EventLoop::builder(self).listen_default("0.0.0.0:8888")
        }
        /// Serves where its attribute says, until the process is told to end by SIGINT or
        /// SIGTERM; then it answers the requests that it has begun.
        ///
        /// # Errors
        /// Those of `EventLoopBuilder::bind`.
        pub fn serve(self) -> __p::Result<()> {
            self.builder().bind()?.serve_until(__p::shutdown())?;
            ::core::result::Result::Ok(())
        }
    }
};
async fn call(
    st: State<'_, Rpc>,
    cancel: Cancel,
    req: TtHeader<'_>,
) -> Result<TtReply, RpcError> {
    st.reg.call(cancel, req).await
}
///The function [`call()`] as a type: a hook of a server.
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, Default)]
struct call {}
const _: () = {
    use ::netpoll::__private::glue as __p;
    impl<
        __S: ::core::marker::Send + ::core::marker::Sync + 'static,
        __T: ::core::marker::Send + ::core::clone::Clone + 'static,
    > __p::OnRequest<__S, __T> for call
    where
        for<'__c> State<'__c, Rpc>: __p::FromCall<'__c, __S>,
        for<'__c> Cancel: __p::FromCall<'__c, __S>,
    {
        type Request = TtHeader<'static>;
        type At<'__c> = TtHeader<'__c>;
        const DISPATCH: __p::Dispatch = __p::Dispatch::Concurrent {
            max: 256,
            ordered: false,
        };
        const TIMEOUT: ::core::option::Option<::core::time::Duration> = ::core::option::Option::Some(
            ::core::time::Duration::from_millis(1000u64),
        );
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
                let __p::Call { conn, mut out, deadline, .. } = call;
                let number = __p::number(&request);
                #[allow(unused_imports)]
                use __p::{NoFaults as _, NoNumbers as _};
                if __p::Faults::<TtReply>::CAN {
                    let fault_number = __p::Numbers::<
                        TtHeader<'static>,
                        TtReply,
                    >::read(&request);
                    let result = {
                        let mut parts = __p::CallParts::new(
                            server,
                            conn,
                            deadline,
                            out.reborrow(),
                        );
                        let __a0: State<'_, Rpc> = __p::FromCall::from_call(&mut parts)?;
                        let __a1: Cancel = __p::FromCall::from_call(&mut parts)?;
                        __p::within(
                                deadline,
                                move || async move { call(__a0, __a1, request).await },
                            )
                            .await
                    };
                    match result {
                        ::core::result::Result::Ok(reply) => {
                            __p::numbered(reply, number, &mut out).await
                        }
                        ::core::result::Result::Err(fault) => {
                            __p::Faults::<
                                TtReply,
                            >::put(
                                fault,
                                |reply| __p::Numbers::<
                                    TtHeader<'static>,
                                    TtReply,
                                >::set(reply, fault_number),
                                &mut out,
                            )
                        }
                    }
                } else {
                    let reply = {
                        let mut parts = __p::CallParts::new(
                            server,
                            conn,
                            deadline,
                            out.reborrow(),
                        );
                        let __a0: State<'_, Rpc> = __p::FromCall::from_call(&mut parts)?;
                        let __a1: Cancel = __p::FromCall::from_call(&mut parts)?;
                        call(__a0, __a1, request).await
                    };
                    __p::numbered(reply, number, &mut out).await
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
            let fault_number = __p::Numbers::<TtHeader<'static>, TtReply>::read(request);
            __p::Faults::<
                TtReply,
            >::put(
                fault,
                |reply| __p::Numbers::<
                    TtHeader<'static>,
                    TtReply,
                >::set(reply, fault_number),
                out,
            )
        }
        fn on_drain(out: &mut __p::Out<'_>) -> __p::Result<bool> {
            #[allow(unused_imports)]
            use __p::NoGoodbyes as _;
            __p::Goodbyes::<TtReply>::say(out)
        }
        fn share(session: &__T) -> ::core::option::Option<__T> {
            ::core::option::Option::Some(::core::clone::Clone::clone(session))
        }
    }
    impl __p::Wants for call {
        type Session = __p::Shared;
    }
};
