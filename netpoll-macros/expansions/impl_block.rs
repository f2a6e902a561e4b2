// The expansion of:
//
//     #[netpoll::server(listen = "0.0.0.0:6379", max_frame = 8<<20, idle_timeout = "5m")]
//     impl Kv {
//         #[on_connect]
//         fn hello(&self, c: &Connection) -> netpoll::Result<Sess> {
//             Ok(Sess::new(c))
//         }
//         #[on_request]
//         async fn run(
//             &self,
//             s: &mut Sess,
//             dl: Deadline,
//             cmd: Resp<'_>,
//         ) -> Result<RespOwned, KvError> {
//             self.store.run(s, dl, cmd).await
//         }
//         #[on_disconnect]
//         fn bye(&self, c: &Connection, why: CloseReason) {
//             self.log(c, why);
//         }
//     }

impl Kv {
    fn hello(&self, c: &Connection) -> netpoll::Result<Sess> {
        Ok(Sess::new(c))
    }
    async fn run(
        &self,
        s: &mut Sess,
        dl: Deadline,
        cmd: Resp<'_>,
    ) -> Result<RespOwned, KvError> {
        self.store.run(s, dl, cmd).await
    }
    fn bye(&self, c: &Connection, why: CloseReason) {
        self.log(c, why);
    }
}
const _: () = {
    use ::netpoll::__private::glue as __p;
    #[allow(dead_code, unreachable_pub)]
    pub struct __OnConnect<__S>(::core::marker::PhantomData<fn() -> __S>);
    impl __p::OnConnect<Kv, __Session> for __OnConnect<Kv> {
        fn on_connect(
            server: &Kv,
            conn: &__p::Connection,
        ) -> impl ::core::future::Future<
            Output = __p::Result<<__Session as __p::Kept>::Session>,
        > + ::core::marker::Send {
            async move {
                let _ = (server, conn);
                let session = { <Kv>::hello(server, conn) };
                __p::IntoSession::<__Session>::into_session(session)
            }
        }
    }
    #[allow(dead_code, unreachable_pub)]
    pub struct __OnRequest<__S>(::core::marker::PhantomData<fn() -> __S>);
    impl __p::OnRequest<Kv, Sess> for __OnRequest<Kv> {
        type Request = Resp<'static>;
        type At<'__c> = Resp<'__c>;
        const DISPATCH: __p::Dispatch = __p::Dispatch::Async;
        #[inline]
        fn on_request<'__a>(
            server: &'__a Kv,
            call: __p::Call<'__a, Sess>,
            request: Self::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            async move {
                let _ = server;
                let __p::Call { conn, session, mut out, deadline, .. } = call;
                #[allow(unused_imports)]
                use __p::{NoFaults as _, NoNumbers as _};
                if __p::Faults::<RespOwned>::CAN {
                    let fault_number = __p::Numbers::<
                        Resp<'static>,
                        RespOwned,
                    >::read(&request);
                    let result = {
                        let mut parts = __p::CallParts::new(
                            server,
                            conn,
                            deadline,
                            out.reborrow(),
                        );
                        let __a2: Deadline = __p::FromCall::from_call(&mut parts)?;
                        __p::within(
                                deadline,
                                move || async move {
                                    <Kv>::run(server, session, __a2, request).await
                                },
                            )
                            .await
                    };
                    match result {
                        ::core::result::Result::Ok(reply) => {
                            __p::IntoReply::reply(reply, &mut __p::Plain, &mut out).await
                        }
                        ::core::result::Result::Err(fault) => {
                            __p::Faults::<
                                RespOwned,
                            >::put(
                                fault,
                                |reply| __p::Numbers::<
                                    Resp<'static>,
                                    RespOwned,
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
                        let __a2: Deadline = __p::FromCall::from_call(&mut parts)?;
                        <Kv>::run(server, session, __a2, request).await
                    };
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
            let fault_number = __p::Numbers::<Resp<'static>, RespOwned>::read(request);
            __p::Faults::<
                RespOwned,
            >::put(
                fault,
                |reply| __p::Numbers::<
                    Resp<'static>,
                    RespOwned,
                >::set(reply, fault_number),
                out,
            )
        }
        fn on_drain(out: &mut __p::Out<'_>) -> __p::Result<bool> {
            #[allow(unused_imports)]
            use __p::NoGoodbyes as _;
            __p::Goodbyes::<RespOwned>::say(out)
        }
    }
    impl __p::Wants for __OnRequest<Kv> {
        type Session = __p::Named<Sess>;
    }
    #[allow(dead_code, unreachable_pub)]
    pub struct __OnDisconnect<__S>(::core::marker::PhantomData<fn() -> __S>);
    impl __p::OnDisconnect<Kv> for __OnDisconnect<Kv> {
        fn on_disconnect(
            server: &Kv,
            conn: &__p::Connection,
            reason: __p::CloseReason,
        ) -> __p::Result<()> {
            let _ = (server, conn, reason);
            let done = {
                let mut parts = __p::HookParts::new(server, conn, reason);
                let __a2: CloseReason = __p::FromHook::from_hook(&mut parts)?;
                <Kv>::bye(server, conn, __a2)
            };
            __p::Outcome::<()>::outcome(done)
        }
    }
    type __Session = __p::Chosen<__OnRequest<Kv>, __p::NoHook>;
    impl __p::HookSet for Kv {
        type Session = __Session;
        type Prepare = __p::NoHook;
        type Connect = __OnConnect<Kv>;
        type Request = __OnRequest<Kv>;
        type Disconnect = __OnDisconnect<Kv>;
        type HalfClose = __p::NoHook;
        type Close = __p::NoHook;
        type Error = __p::NoHook;
        type Idle = __p::NoHook;
    }
    impl Kv {
        /// Returns the server's settings: those of its attribute, to be changed and added to.
        pub fn builder(self) -> __p::EventLoopBuilder<Self> {
            __p::EventLoop::builder(self)
                .listen_default("0.0.0.0:6379")
                .options(
                    __p::ConnectionOptions::new()
                        .max_frame(8 << 20)
                        .idle_timeout(
                            ::core::option::Option::Some(
                                ::core::time::Duration::from_millis(300000u64),
                            ),
                        ),
                )
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
