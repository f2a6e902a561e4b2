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
    type __Session = <(
        <call as __p::Wants>::Session,
        <__p::NoHook as __p::Wants>::Session,
    ) as __p::Choose>::Session;
    impl __p::Service for Rpc {
        type Session = <__Session as __p::Kept>::Session;
        type Request = <call as __p::OnRequest<
            Rpc,
            <__Session as __p::Kept>::Session,
        >>::Request;
        const DISPATCH: __p::Dispatch = <call as __p::OnRequest<
            Rpc,
            <__Session as __p::Kept>::Session,
        >>::DISPATCH;
        const TIMEOUT: ::core::option::Option<::core::time::Duration> = <call as __p::OnRequest<
            Rpc,
            <__Session as __p::Kept>::Session,
        >>::TIMEOUT;
        #[inline]
        fn on_prepare(&self, conn: &__p::Connection) -> __p::Result<()> {
            <__p::NoHook as __p::OnPrepare<Rpc>>::on_prepare(self, conn)
        }
        #[inline]
        fn on_connect(
            &self,
            conn: &__p::Connection,
        ) -> impl ::core::future::Future<
            Output = __p::Result<Self::Session>,
        > + ::core::marker::Send {
            <__p::NoHook as __p::OnConnect<Rpc, __Session>>::on_connect(self, conn)
        }
        #[inline]
        fn on_request<'__a>(
            &'__a self,
            call: __p::Call<'__a, Self::Session>,
            request: <Self::Request as __p::Request>::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            <call as __p::OnRequest<
                Rpc,
                <__Session as __p::Kept>::Session,
            >>::on_request(self, call, request)
        }
        #[inline]
        fn share(session: &Self::Session) -> ::core::option::Option<Self::Session> {
            <call as __p::OnRequest<
                Rpc,
                <__Session as __p::Kept>::Session,
            >>::share(session)
        }
        fn on_disconnect(&self, conn: &__p::Connection, reason: __p::CloseReason) {
            let done = <__p::NoHook as __p::OnDisconnect<
                Rpc,
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
                Rpc,
                <__Session as __p::Kept>::Session,
            >>::on_close(self, conn, session, reason)
                .await;
            __p::told(self, conn, done);
        }
        fn on_error(&self, conn: &__p::Connection, error: &__p::Error) {
            __p::logged(<fault as __p::OnError<Rpc>>::on_error(self, conn, error));
        }
        fn on_idle(&self, conn: &__p::Connection) -> bool {
            __p::idle(self, conn, <__p::NoHook as __p::OnIdle<Rpc>>::on_idle(self, conn))
        }
    }
    impl Rpc {
        /// The server's settings: those of its attribute, to be changed and added to.
        pub fn builder(self) -> __p::EventLoopBuilder<Self> {
            __p::EventLoop::builder(self).listen_default("0.0.0.0:8888")
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
            request: <Self::Request as __p::Request>::At<'__a>,
        ) -> impl ::core::future::Future<
            Output = __p::Result<__p::Flow>,
        > + ::core::marker::Send + '__a {
            async move {
                let _ = server;
                let __p::Call { conn, mut out, deadline, .. } = call;
                let number = __p::number(&request);
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
        fn share(session: &__T) -> ::core::option::Option<__T> {
            ::core::option::Option::Some(::core::clone::Clone::clone(session))
        }
    }
    impl __p::Wants for call {
        type Session = __p::Shared;
    }
};
