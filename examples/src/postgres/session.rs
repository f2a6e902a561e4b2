//! One client's session: what is answered to each event.

use netpoll::Flow;

use super::{
    codec::Event,
    database::Database,
    message::{Failure, Message, Output},
};

/// A client's session.
#[derive(Debug, Default)]
pub struct Session {
    user: String,
}

impl Session {
    /// Answers `event`; `password` is what clients have to know, if they have to know one.
    pub fn answer(
        &mut self,
        database: &Database,
        password: Option<&str>,
        event: Event<'_>,
    ) -> Flow<Output> {
        match event {
            Event::Encryption => reply([Message::NoEncryption]),
            Event::Start(parameters) => {
                let user = parameters.iter().find(|(name, _)| *name == "user");
                let Some((_, user)) = user else {
                    return fail(Failure::new("28000", "no user is named"));
                };
                self.user = (*user).to_owned();
                match password {
                    Some(_) => reply([Message::AskPassword]),
                    None => welcome(),
                }
            }
            Event::Password(said) if password.is_some_and(|wanted| is_same(wanted, said)) => {
                welcome()
            }
            Event::Password(_) => {
                let why = format!("password authentication failed for user \"{}\"", self.user);
                fail(Failure::new("28P01", why))
            }
            Event::Query(sql) => Flow::Reply(query(database, sql)),
            Event::Extended => {
                let why = "the extended query protocol is not spoken: send simple queries";
                reply([Message::Failed(Failure::new("0A000", why))])
            }
            Event::Nothing => Flow::Continue,
            Event::Sync => reply([Message::Ready]),
            Event::Leave => Flow::Close,
            Event::Refused(failure) => fail(failure),
        }
    }
}

fn reply<const N: usize>(messages: [Message; N]) -> Flow<Output> {
    Flow::Reply(Output(messages.into()))
}

fn fail(failure: Failure) -> Flow<Output> {
    let failure = Failure { fatal: true, ..failure };
    Flow::CloseAfter(Output(vec![Message::Failed(failure)]))
}

/// The client may ask from now on.
fn welcome() -> Flow<Output> {
    let parameters = [
        ("server_version", "15.0 (netpoll)"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
    ];
    let mut messages = vec![Message::Authenticated];
    let parameters = parameters.map(|(name, value)| Message::Parameter(name, value.to_owned()));
    messages.extend(parameters);
    messages.push(Message::Key(std::process::id(), 0));
    messages.push(Message::Ready);
    Flow::Reply(Output(messages))
}

/// The answer to simple queries.
fn query(database: &Database, sql: &str) -> Output {
    let (answers, failure) = database.run(sql);
    let mut messages = Vec::new();
    for answer in answers {
        if let Some((columns, rows)) = answer.result {
            messages.push(Message::Columns(columns));
            messages.extend(rows.into_iter().map(Message::Row));
        }
        messages.push(Message::Complete(answer.tag));
    }
    match failure {
        Some(failure) => messages.push(Message::Failed(failure)),
        None if messages.is_empty() => messages.push(Message::Empty),
        None => {}
    }
    messages.push(Message::Ready);
    Output(messages)
}

/// Compares in a time that does not depend on where texts differ.
fn is_same(wanted: &str, said: &str) -> bool {
    let differ = wanted.bytes().zip(said.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    wanted.len() == said.len() && differ == 0
}
