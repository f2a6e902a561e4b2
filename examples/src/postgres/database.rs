//! Tables in memory, and what statements do to them.

use std::{cmp::Ordering, collections::HashMap};

use parking_lot::RwLock;

use super::{
    message::{Column, Failure},
    statement::{Condition, Item, Statement, parse},
    value::{Kind, Value},
};

/// Tables, which all connections share.
#[derive(Debug, Default)]
pub struct Database(RwLock<HashMap<String, Table>>);

#[derive(Debug)]
struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

/// The answer to one statement.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The columns of a result, and its rows.
    pub result: Option<(Vec<Column>, Vec<Vec<Value>>)>,
    /// What was done, as `INSERT 0 2`.
    pub tag: String,
}

impl Database {
    /// Carries out the statements of `sql` one after the other, and stops at the first that fails: gives the
    /// answers before it, too.
    pub fn run(&self, sql: &str) -> (Vec<Answer>, Option<Failure>) {
        let mut answers = Vec::new();
        let statements = match parse(sql) {
            Ok(statements) => statements,
            Err(failure) => return (answers, Some(failure)),
        };
        for statement in statements {
            match self.carry_out(statement) {
                Ok(answer) => answers.push(answer),
                Err(failure) => return (answers, Some(failure)),
            }
        }
        (answers, None)
    }

    fn carry_out(&self, statement: Statement) -> Result<Answer, Failure> {
        let done = |tag: String| Ok(Answer { result: None, tag });
        match statement {
            Statement::Select { items, table: None, filter, order, limit } => {
                if !filter.is_empty() || order.is_some() {
                    return Err(Failure::new("42703", "there is no table to look into"));
                }
                let table = Table { columns: Vec::new(), rows: vec![Vec::new()] };
                table.select(&items, &filter, None, limit)
            }
            Statement::Select { items, table: Some(name), filter, order, limit } => {
                let tables = self.0.read();
                find(&tables, &name)?.select(&items, &filter, order.as_ref(), limit)
            }
            Statement::Insert { table, columns, rows } => {
                let n = self.table(&table, |table| table.insert(columns.as_deref(), rows))?;
                done(format!("INSERT 0 {n}"))
            }
            Statement::Update { table, sets, filter } => {
                let n = self.table(&table, |table| table.update(&sets, &filter))?;
                done(format!("UPDATE {n}"))
            }
            Statement::Delete { table, filter } => {
                let n = self.table(&table, |table| table.delete(&filter))?;
                done(format!("DELETE {n}"))
            }
            Statement::Create { table, columns, only_new } => {
                let mut tables = self.0.write();
                match tables.contains_key(&table) {
                    true if !only_new => {
                        let why = format!("relation \"{table}\" already exists");
                        return Err(Failure::new("42P07", why));
                    }
                    true => {}
                    false => drop(tables.insert(table, Table { columns, rows: Vec::new() })),
                }
                done("CREATE TABLE".to_owned())
            }
            Statement::Drop { table, only_there } => {
                if self.0.write().remove(&table).is_none() && !only_there {
                    return Err(missing(&table));
                }
                done("DROP TABLE".to_owned())
            }
        }
    }

    fn table<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Table) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        change(self.0.write().get_mut(name).ok_or_else(|| missing(name))?)
    }
}

fn find<'t>(tables: &'t HashMap<String, Table>, name: &str) -> Result<&'t Table, Failure> {
    tables.get(name).ok_or_else(|| missing(name))
}

fn missing(table: &str) -> Failure {
    Failure::new("42P01", format!("relation \"{table}\" does not exist"))
}

impl Table {
    /// The place of a column.
    fn place(&self, name: &str) -> Result<usize, Failure> {
        let place = self.columns.iter().position(|column| column.name == name);
        place.ok_or_else(|| Failure::new("42703", format!("column \"{name}\" does not exist")))
    }

    /// Whether `value` may stand in the column at `place`.
    fn check(&self, place: usize, value: &Value) -> Result<(), Failure> {
        let Column { name, kind } = &self.columns[place];
        match value.kind() {
            Some(other) if other != *kind => {
                let (kind, other) = (kind.name(), other.name());
                let why = format!("column \"{name}\" is of type {kind}, not {other}");
                Err(Failure::new("42804", why))
            }
            _ => Ok(()),
        }
    }

    /// A test of rows. What is compared with null is neither true nor false, and does not pass.
    fn passes(&self, filter: &[Condition]) -> Result<impl Fn(&[Value]) -> bool + use<>, Failure> {
        let tests = filter.iter().map(|condition| {
            let place = self.place(&condition.column)?;
            self.check(place, &condition.value)?;
            Ok((place, condition.operator, condition.value.clone()))
        });
        let tests = tests.collect::<Result<Vec<_>, Failure>>()?;
        Ok(move |row: &[Value]| {
            tests.iter().all(|(place, operator, value)| {
                row[*place].compare(value).is_some_and(|order| holds(operator, order))
            })
        })
    }

    fn select(
        &self,
        items: &[Item],
        filter: &[Condition],
        order: Option<&(String, bool)>,
        limit: Option<usize>,
    ) -> Result<Answer, Failure> {
        let passes = self.passes(filter)?;
        let mut rows: Vec<_> = self.rows.iter().filter(|row| passes(row)).collect();
        if let Some((column, descending)) = order {
            let place = self.place(column)?;
            // Nulls come last, as larger than everything.
            rows.sort_by(|a, b| {
                let (a, b) = (&a[place], &b[place]);
                let null = |value: &Value| *value == Value::Null;
                let order = a.compare(b).unwrap_or_else(|| null(a).cmp(&null(b)));
                if *descending { order.reverse() } else { order }
            });
        }
        let counts = items.iter().filter(|item| matches!(item, Item::Count)).count();
        if counts > 0 && counts < items.len() {
            return Err(Failure::unsupported("count(*) stands alone: there is no GROUP BY"));
        }
        if counts > 0 {
            let columns = vec![Column { name: "count".to_owned(), kind: Kind::Integer }; counts];
            let n = i64::try_from(rows.len()).unwrap_or(i64::MAX);
            return Ok(result(columns, vec![vec![Value::Integer(n); counts]], limit));
        }
        let (mut columns, mut picks) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::All if self.columns.is_empty() => {
                    return Err(Failure::new(
                        "42601",
                        "SELECT * with no tables specified is not valid",
                    ));
                }
                Item::All => {
                    columns.extend(self.columns.iter().cloned());
                    picks.extend((0..self.columns.len()).map(Pick::Place));
                }
                Item::Column(name) => {
                    let place = self.place(name)?;
                    columns.push(self.columns[place].clone());
                    picks.push(Pick::Place(place));
                }
                Item::Value(value, name) => {
                    let kind = value.kind().unwrap_or(Kind::Text);
                    columns.push(Column { name: name.clone(), kind });
                    picks.push(Pick::Value(value));
                }
                Item::Count => {}
            }
        }
        let pick = |row: &Vec<Value>| {
            let value = |pick: &Pick<'_>| match pick {
                Pick::Place(place) => row[*place].clone(),
                Pick::Value(value) => (*value).clone(),
            };
            picks.iter().map(value).collect()
        };
        let most = limit.unwrap_or(usize::MAX);
        Ok(result(columns, rows.into_iter().take(most).map(pick).collect(), limit))
    }

    fn insert(
        &mut self,
        columns: Option<&[String]>,
        rows: Vec<Vec<Value>>,
    ) -> Result<usize, Failure> {
        let places = match columns {
            None => (0..self.columns.len()).collect(),
            Some(names) => {
                names.iter().map(|name| self.place(name)).collect::<Result<Vec<_>, _>>()?
            }
        };
        let mut made = Vec::with_capacity(rows.len());
        for values in rows {
            if values.len() > places.len() || columns.is_some() && values.len() < places.len() {
                return Err(Failure::new("42601", "INSERT has not as many values as columns"));
            }
            let mut row = vec![Value::Null; self.columns.len()];
            for (value, place) in values.into_iter().zip(&places) {
                self.check(*place, &value)?;
                row[*place] = value;
            }
            made.push(row);
        }
        let n = made.len();
        self.rows.append(&mut made);
        Ok(n)
    }

    fn update(&mut self, sets: &[(String, Value)], filter: &[Condition]) -> Result<usize, Failure> {
        let passes = self.passes(filter)?;
        let sets = sets.iter().map(|(column, value)| {
            let place = self.place(column)?;
            self.check(place, value)?;
            Ok((place, value))
        });
        let sets = sets.collect::<Result<Vec<_>, Failure>>()?;
        let mut n = 0;
        for row in self.rows.iter_mut().filter(|row| passes(row)) {
            sets.iter().for_each(|(place, value)| row[*place] = (*value).clone());
            n += 1;
        }
        Ok(n)
    }

    fn delete(&mut self, filter: &[Condition]) -> Result<usize, Failure> {
        let passes = self.passes(filter)?;
        let before = self.rows.len();
        self.rows.retain(|row| !passes(row));
        Ok(before - self.rows.len())
    }
}

/// Where a value of a result comes from.
enum Pick<'v> {
    Place(usize),
    Value(&'v Value),
}

fn result(columns: Vec<Column>, mut rows: Vec<Vec<Value>>, limit: Option<usize>) -> Answer {
    rows.truncate(limit.unwrap_or(usize::MAX));
    let tag = format!("SELECT {}", rows.len());
    Answer { result: Some((columns, rows)), tag }
}

fn holds(operator: &str, order: Ordering) -> bool {
    match operator {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(database: &Database, sql: &str) -> Vec<Vec<Option<String>>> {
        let (mut answers, failure) = database.run(sql);
        assert_eq!(failure, None, "{sql}");
        let (_, rows) = answers.pop().unwrap().result.unwrap();
        let texts = |row: Vec<Value>| row.iter().map(|v| v.text().map(Into::into)).collect();
        rows.into_iter().map(texts).collect()
    }

    #[test]
    fn rows_are_put_found_changed_and_removed() {
        let database = Database::default();
        let sql = "create table t (a bigint, b text);
            insert into t values (1, 'one'), (3, 'three'), (2, null); insert into t (b) values ('none')";
        let tags: Vec<_> = database.run(sql).0.into_iter().map(|answer| answer.tag).collect();
        assert_eq!(tags, ["CREATE TABLE", "INSERT 0 3", "INSERT 0 1"]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            rows(&database, "select b, a from t order by a desc limit 3"),
            [[some("none"), None], [some("three"), some("3")], [None, some("2")]]
        );
        assert_eq!(rows(&database, "select count(*) from t where a >= 2"), [[some("2")]]);
        assert!(rows(&database, "select * from t where b = null").is_empty());
        assert_eq!(database.run("update t set b = 'x' where a <> 1").0[0].tag, "UPDATE 2");
        assert_eq!(database.run("delete from t where b = 'x'").0[0].tag, "DELETE 2");
        assert_eq!(rows(&database, "select a from t"), [[some("1")], [None]]);
        assert_eq!(rows(&database, "select 1, 'a' as b"), [[some("1"), some("a")]]);
    }

    #[test]
    fn what_cannot_be_done_changes_nothing_and_says_why() {
        let database = Database::default();
        database.run("create table t (a bigint, b text); insert into t values (1, 'one')");
        for (sql, code) in [
            ("select * from u", "42P01"),
            ("select c from t", "42703"),
            ("select * from t where a = 'one'", "42804"),
            ("insert into t values (1, 'two'), ('three', 3)", "42804"),
            ("insert into t values (1, 'two', 3)", "42601"),
            ("insert into t (a, b) values (1)", "42601"),
            ("create table t (a text)", "42P07"),
            ("drop table u", "42P01"),
            ("select *", "42601"),
            ("select count(*), a from t", "0A000"),
        ] {
            let (answers, failure) = database.run(sql);
            assert_eq!((answers.len(), failure.map(|f| f.code)), (0, Some(code)), "{sql}");
        }
        assert_eq!(rows(&database, "select count(*) from t"), [[Some("1".to_owned())]]);
    }
}
