//! Servers of every visibility: what one names is as visible as the server.

/// Private, in every part.
mod private {
    #[derive(netpoll::Frame)]
    struct Ask {
        id: u32,
    }

    #[derive(Default)]
    struct Seen(usize);

    struct Server;

    #[netpoll::server]
    impl Server {
        #[on_request]
        fn ask(&self, seen: &mut Seen, ask: Ask) {
            seen.0 += ask.id as usize;
        }
    }

    pub fn build() {
        let _ = Server.builder();
    }
}

/// Public, or for this crate alone, in every part.
macro_rules! shown {
    ($name:ident, $vis:vis) => {
        mod $name {
            #[derive(netpoll::Frame)]
            $vis struct Ask {
                id: u32,
            }

            #[derive(Default)]
            $vis struct Seen(usize);

            $vis struct Server;

            #[netpoll::server]
            impl Server {
                #[cfg(unix)]
                #[on_request]
                fn ask(&self, seen: &mut Seen, ask: Ask) {
                    seen.0 += ask.id as usize;
                }

                #[on_disconnect]
                fn gone(&self) {}
            }

            #[netpoll::server(on_request = answer)]
            $vis struct Functions;

            #[netpoll::on_request]
            $vis fn answer(ask: Ask) {
                drop(ask);
            }
        }
    };
}

shown!(public, pub);
shown!(of_the_crate, pub(crate));

fn main() {
    private::build();
    let _ = public::Server.builder();
    let _ = public::Functions.builder();
    let _ = of_the_crate::Server.builder();
    let _ = of_the_crate::Functions.builder();
}
