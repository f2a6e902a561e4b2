//! Statements, and their parser.

use super::{
    lexer::{self, Token, syntax},
    message::{Column, Failure},
    value::{Kind, Value},
};

/// A statement that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Select {
        items: Vec<Item>,
        table: Option<String>,
        filter: Vec<Condition>,
        /// A column, and whether the order is descending.
        order: Option<(String, bool)>,
        limit: Option<usize>,
    },
    Insert {
        table: String,
        columns: Option<Vec<String>>,
        rows: Vec<Vec<Value>>,
    },
    Update {
        table: String,
        sets: Vec<(String, Value)>,
        filter: Vec<Condition>,
    },
    Delete {
        table: String,
        filter: Vec<Condition>,
    },
    Create {
        table: String,
        columns: Vec<Column>,
        only_new: bool,
    },
    Drop {
        table: String,
        only_there: bool,
    },
}

/// What a `select` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    All,
    Count,
    Column(String),
    /// A value, and its name.
    Value(Value, String),
}

/// A column, an operator and a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) column: String,
    pub(super) operator: &'static str,
    pub(super) value: Value,
}

/// Parses the statements of `sql`, between which semicolons stand.
pub(super) fn parse(sql: &str) -> Result<Vec<Statement>, Failure> {
    let mut parser = Parser { next: Token::End, rest: sql };
    parser.step()?;
    let mut all = Vec::new();
    loop {
        while parser.takes_sign(";")? {}
        if parser.next == Token::End {
            return Ok(all);
        }
        all.push(parser.statement()?);
        if !matches!(parser.next, Token::End | Token::Sign(";")) {
            return Err(parser.unexpected());
        }
    }
}

struct Parser<'s> {
    next: Token,
    /// What follows `next`.
    rest: &'s str,
}

impl Parser<'_> {
    fn step(&mut self) -> Result<Token, Failure> {
        let (token, rest) = lexer::next(self.rest)?;
        self.rest = rest;
        Ok(std::mem::replace(&mut self.next, token))
    }

    fn unexpected(&self) -> Failure {
        syntax(&match &self.next {
            Token::End => "at end of input".to_owned(),
            Token::Word(word) | Token::Name(word) => format!("at or near \"{word}\""),
            Token::Number(n) => format!("at or near \"{n}\""),
            Token::Text(text) => format!("at or near \"'{text}'\""),
            Token::Sign(sign) => format!("at or near \"{sign}\""),
        })
    }

    fn takes(&mut self, word: &str) -> Result<bool, Failure> {
        let is = matches!(&self.next, Token::Word(next) if next == word);
        if is {
            self.step()?;
        }
        Ok(is)
    }

    fn takes_sign(&mut self, sign: &str) -> Result<bool, Failure> {
        let is = matches!(&self.next, Token::Sign(next) if *next == sign);
        if is {
            self.step()?;
        }
        Ok(is)
    }

    fn word(&mut self, word: &str) -> Result<(), Failure> {
        if self.takes(word)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), Failure> {
        if self.takes_sign(sign)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn name(&mut self) -> Result<String, Failure> {
        match &self.next {
            Token::Word(_) | Token::Name(_) => match self.step()? {
                Token::Word(name) | Token::Name(name) => Ok(name),
                _ => Err(self.unexpected()),
            },
            _ => Err(self.unexpected()),
        }
    }

    /// A value, if one stands here.
    fn takes_value(&mut self) -> Result<Option<Value>, Failure> {
        if self.takes("null")? {
            return Ok(Some(Value::Null));
        }
        let minus = self.takes_sign("-")?;
        match self.next.clone() {
            Token::Number(n) => {
                self.step()?;
                Ok(Some(Value::Integer(if minus { -n } else { n })))
            }
            Token::Text(text) if !minus => {
                self.step()?;
                Ok(Some(Value::Text(text)))
            }
            _ if minus => Err(self.unexpected()),
            _ => Ok(None),
        }
    }

    fn value(&mut self) -> Result<Value, Failure> {
        self.takes_value()?.ok_or_else(|| self.unexpected())
    }

    /// One or more of what `one` reads, with commas between them.
    fn list<T>(
        &mut self,
        one: impl Fn(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut all = vec![one(self)?];
        while self.takes_sign(",")? {
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn in_brackets<T>(
        &mut self,
        one: impl Fn(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        self.sign("(")?;
        let all = self.list(one)?;
        self.sign(")")?;
        Ok(all)
    }

    fn statement(&mut self) -> Result<Statement, Failure> {
        let Token::Word(word) = &self.next else { return Err(self.unexpected()) };
        match &*word.clone() {
            "select" => self.select(),
            "insert" => self.insert(),
            "update" => self.update(),
            "delete" => self.delete(),
            "create" => self.create(),
            "drop" => self.drop_table(),
            "begin" | "start" | "commit" | "rollback" | "savepoint" => {
                Err(Failure::unsupported("there are no transactions: each statement is its own"))
            }
            word @ ("alter" | "copy" | "declare" | "explain" | "grant" | "set" | "show"
            | "with") => {
                Err(Failure::unsupported(format!("{} is not supported", word.to_uppercase())))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn select(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        let items = self.list(Self::item)?;
        let table = if self.takes("from")? { Some(self.name()?) } else { None };
        let filter = self.filter()?;
        let order = if self.takes("order")? {
            self.word("by")?;
            let column = self.name()?;
            let descending = self.takes("desc")?;
            if !descending {
                self.takes("asc")?;
            }
            Some((column, descending))
        } else {
            None
        };
        let limit = if self.takes("limit")? {
            match self.value()? {
                Value::Integer(n) => Some(
                    usize::try_from(n)
                        .map_err(|_| Failure::new("2201W", "LIMIT must not be negative"))?,
                ),
                _ => return Err(self.unexpected()),
            }
        } else {
            None
        };
        Ok(Statement::Select { items, table, filter, order, limit })
    }

    fn item(&mut self) -> Result<Item, Failure> {
        if self.takes_sign("*")? {
            return Ok(Item::All);
        }
        if let Some(value) = self.takes_value()? {
            let name = if self.takes("as")? { self.name()? } else { "?column?".to_owned() };
            return Ok(Item::Value(value, name));
        }
        let name = self.name()?;
        if name == "count" && self.takes_sign("(")? {
            self.sign("*")?;
            self.sign(")")?;
            return Ok(Item::Count);
        }
        Ok(Item::Column(name))
    }

    fn filter(&mut self) -> Result<Vec<Condition>, Failure> {
        let mut all = Vec::new();
        if self.takes("where")? {
            all.push(self.condition()?);
            while self.takes("and")? {
                all.push(self.condition()?);
            }
        }
        Ok(all)
    }

    fn condition(&mut self) -> Result<Condition, Failure> {
        let column = self.name()?;
        let operator = match self.next {
            Token::Sign(sign @ ("=" | "<" | ">" | "<=" | ">=" | "<>")) => sign,
            Token::Sign("!=") => "<>",
            _ => return Err(self.unexpected()),
        };
        self.step()?;
        Ok(Condition { column, operator, value: self.value()? })
    }

    fn insert(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        self.word("into")?;
        let table = self.name()?;
        let columns = match self.next {
            Token::Sign("(") => Some(self.in_brackets(Self::name)?),
            _ => None,
        };
        self.word("values")?;
        let rows = self.list(|parser| parser.in_brackets(Self::value))?;
        Ok(Statement::Insert { table, columns, rows })
    }

    fn update(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        let table = self.name()?;
        self.word("set")?;
        let sets = self.list(|parser| {
            let column = parser.name()?;
            parser.sign("=")?;
            Ok((column, parser.value()?))
        })?;
        Ok(Statement::Update { table, sets, filter: self.filter()? })
    }

    fn delete(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        self.word("from")?;
        Ok(Statement::Delete { table: self.name()?, filter: self.filter()? })
    }

    fn create(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        self.word("table")?;
        let only_new = self.takes("if")?;
        if only_new {
            self.word("not")?;
            self.word("exists")?;
        }
        let table = self.name()?;
        let columns = self.in_brackets(|parser| {
            let (name, kind) = (parser.name()?, parser.name()?);
            let unknown = || Failure::new("42704", format!("type \"{kind}\" does not exist"));
            Ok(Column { name, kind: Kind::named(&kind).ok_or_else(unknown)? })
        })?;
        Ok(Statement::Create { table, columns, only_new })
    }

    fn drop_table(&mut self) -> Result<Statement, Failure> {
        self.step()?;
        self.word("table")?;
        let only_there = self.takes("if")?;
        if only_there {
            self.word("exists")?;
        }
        Ok(Statement::Drop { table: self.name()?, only_there })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_parsed_and_what_is_none_is_refused() {
        for (sql, wanted) in [
            ("", Ok(0)),
            (" ; ;", Ok(0)),
            ("select 1; select 'a' as b, -2, null;", Ok(2)),
            ("SELECT * FROM t WHERE a >= 1 AND \"B\" <> 'x' ORDER BY a DESC LIMIT 3", Ok(1)),
            ("insert into t (a, b) values (1, 'x'), (2, null)", Ok(1)),
            ("update t set a = 1, b = 'y' where a = 2; delete from t", Ok(2)),
            ("create table if not exists t (a bigint, b text); drop table if exists t", Ok(2)),
            ("select", Err("42601")),
            ("select 1 2", Err("42601")),
            ("select * from", Err("42601")),
            ("select - 'a'", Err("42601")),
            ("frobnicate", Err("42601")),
            ("create table t (a blob)", Err("42704")),
            ("select * from t limit -1", Err("2201W")),
            ("begin", Err("0A000")),
            ("copy t to stdout", Err("0A000")),
        ] {
            let parsed = parse(sql).map(|all| all.len()).map_err(|failure| failure.code);
            assert_eq!(parsed, wanted, "{sql}");
        }
    }
}
