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
    enum __OnConnect {}
    impl __p::OnConnect<Kv, __Session> for __OnConnect {
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
    enum __OnRequest {}
    impl __p::OnRequest<Kv, Sess> for __OnRequest {
        type Request = Resp<'static>;
        const DISPATCH: __p::Dispatch = __p::Dispatch::Async;
        #[inline]
        fn on_request<'__a>(
            server: &'__a Kv,
            call: __p::Call<'__a, Sess>,
            request: <Self::Request as __p::Request>::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            async move {
                let _ = server;
                let __p::Call { conn, session, mut out, deadline, .. } = call;
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
                __p::reply(reply, &mut out).await
            }
        }
    }
    impl __p::Wants for __OnRequest {
        type Session = __p::Named<Sess>;
    }
    enum __OnDisconnect {}
    impl __p::OnDisconnect<Kv> for __OnDisconnect {
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
    type __Session = <(
        <__OnRequest as __p::Wants>::Session,
        <__p::NoHook as __p::Wants>::Session,
    ) as __p::Choose>::Session;
    impl __p::Service for Kv {
        type Session = <__Session as __p::Kept>::Session;
        type Request = <__OnRequest as __p::OnRequest<
            Kv,
            <__Session as __p::Kept>::Session,
        >>::Request;
        const DISPATCH: __p::Dispatch = <__OnRequest as __p::OnRequest<
            Kv,
            <__Session as __p::Kept>::Session,
        >>::DISPATCH;
        const TIMEOUT: ::core::option::Option<::core::time::Duration> = <__OnRequest as __p::OnRequest<
            Kv,
            <__Session as __p::Kept>::Session,
        >>::TIMEOUT;
        #[inline]
        fn on_prepare(&self, conn: &__p::Connection) -> __p::Result<()> {
            <__p::NoHook as __p::OnPrepare<Kv>>::on_prepare(self, conn)
        }
        #[inline]
        fn on_connect(
            &self,
            conn: &__p::Connection,
        ) -> impl ::core::future::Future<
            Output = __p::Result<Self::Session>,
        > + ::core::marker::Send {
            <__OnConnect as __p::OnConnect<Kv, __Session>>::on_connect(self, conn)
        }
        #[inline]
        fn on_request<'__a>(
            &'__a self,
            call: __p::Call<'__a, Self::Session>,
            request: <Self::Request as __p::Request>::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            <__OnRequest as __p::OnRequest<
                Kv,
                <__Session as __p::Kept>::Session,
            >>::on_request(self, call, request)
        }
        #[inline]
        fn share(session: &Self::Session) -> ::core::option::Option<Self::Session> {
            <__OnRequest as __p::OnRequest<
                Kv,
                <__Session as __p::Kept>::Session,
            >>::share(session)
        }
        fn on_disconnect(&self, conn: &__p::Connection, reason: __p::CloseReason) {
            let done = <__OnDisconnect as __p::OnDisconnect<
                Kv,
            >>::on_disconnect(self, conn, reason);
            __p::told(self, conn, done);
        }
        async fn on_close(
            &self,
            conn: &__p::Connection,
            session: Self::Session,
            reason: __p::CloseReason,
        ) {
            let done = <__p::NoHook as __p::OnClose<
                Kv,
                <__Session as __p::Kept>::Session,
            >>::on_close(self, conn, session, reason)
                .await;
            __p::told(self, conn, done);
        }
        fn on_error(&self, conn: &__p::Connection, error: &__p::Error) {
            __p::logged(<__p::NoHook as __p::OnError<Kv>>::on_error(self, conn, error));
        }
        fn on_idle(&self, conn: &__p::Connection) -> bool {
            __p::idle(self, conn, <__p::NoHook as __p::OnIdle<Kv>>::on_idle(self, conn))
        }
    }
    impl Kv {
        /// The server's settings: those of its attribute, to be changed and added to.
        pub fn builder(self) -> __p::EventLoopBuilder<Self> {
            __p::EventLoop::builder(self)
                .listen_default("0.0.0.0:6379")
                .max_frame(8 << 20)
                .idle_timeout(
                    ::core::option::Option::Some(
                        ::core::time::Duration::from_millis(300000u64),
                    ),
                )
        }
        /// Serves where its attribute says, until it is shut down.
        ///
        /// # Errors
        /// As `EventLoopBuilder::bind`.
        pub fn serve(self) -> __p::Result<()> {
            self.builder().bind()?.serve()?;
            ::core::result::Result::Ok(())
        }
    }
};
