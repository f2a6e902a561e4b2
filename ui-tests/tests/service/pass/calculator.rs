use netpoll::{Fault, service::Json};

#[netpoll::service]
pub trait Calculator {
    /// Adds.
    async fn add(&self, a: i64, b: i64) -> Result<i64, Fault>;
    #[route = "v1.length"]
    fn length(&self, text: String) -> usize;
    async fn nothing(&self);
}

#[netpoll::service(payload = Json)]
trait Private {
    async fn one(&self) -> u8;
}

struct Both;

impl Calculator for Both {
    async fn add(&self, a: i64, b: i64) -> Result<i64, Fault> {
        Ok(a + b)
    }
    fn length(&self, text: String) -> usize {
        text.len()
    }
    async fn nothing(&self) {}
}

impl Private for Both {
    async fn one(&self) -> u8 {
        1
    }
}

fn main() {
    let _ = (Calculator::serve(Both), Private::serve(Both));
    let _ = |client: CalculatorClient| (client.add(1, 2), client.length(String::new()));
    let _ = |client: &PrivateClient| client.one();
}
