//! The sources of a poller, under tokens that are never given twice.

/// A registration: an index and the generation that the index was in.
///
/// An index is used again after its registration ended, in the next generation, so that an event
/// that was on its way to the old source does not reach the new one. Generations wrap after 2^32
/// uses of one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl From<u64> for Token {
    fn from(n: u64) -> Self {
        Self { index: n as u32, generation: (n >> 32) as u32 }
    }
}

impl From<Token> for u64 {
    /// The index in the low half, the generation in the high half.
    fn from(t: Token) -> Self {
        u64::from(t.generation) << 32 | u64::from(t.index)
    }
}

/// What tokens stand for.
#[derive(Debug)]
pub(super) struct Registry<S> {
    entries: Vec<Entry<S>>,
    /// The first vacant entry, or an index that none has.
    vacant: u32,
    len: usize,
}

#[derive(Debug)]
struct Entry<S> {
    generation: u32,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    Vacant { next: u32 },
    Occupied(S),
}

const NONE: u32 = u32::MAX;

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self { entries: Vec::new(), vacant: NONE, len: 0 }
    }
}

impl<S> Registry<S> {
    /// Adds what `make` makes of its token.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Token) -> S) -> Token {
        if self.vacant == NONE {
            let index = u32::try_from(self.entries.len()).ok().filter(|&i| i != NONE);
            self.vacant = index.expect("a poller has fewer than 2^32 - 1 sources");
            self.entries.push(Entry { generation: 0, state: State::Vacant { next: NONE } });
        }
        let index = self.vacant;
        let entry = &mut self.entries[index as usize];
        let State::Vacant { next } = entry.state else {
            unreachable!("the list of vacant entries holds vacant entries");
        };
        let token = Token { index, generation: entry.generation };
        entry.state = State::Occupied(make(token));
        self.vacant = next;
        self.len += 1;
        token
    }

    /// What `token` stands for, if it still does.
    pub(super) fn get(&self, token: Token) -> Option<&S> {
        match self.entries.get(token.index as usize)? {
            Entry { generation, state: State::Occupied(source) }
                if *generation == token.generation =>
            {
                Some(source)
            }
            _ => None,
        }
    }

    /// All that tokens stand for.
    pub(super) fn iter(&self) -> impl Iterator<Item = &S> {
        self.entries.iter().filter_map(|entry| match &entry.state {
            State::Occupied(source) => Some(source),
            State::Vacant { .. } => None,
        })
    }

    /// Ends what `token` stands for, and gives it back, if it still does.
    pub(super) fn remove(&mut self, token: Token) -> Option<S> {
        self.get(token)?;
        let entry = &mut self.entries[token.index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        let vacant = State::Vacant { next: std::mem::replace(&mut self.vacant, token.index) };
        self.len -= 1;
        match std::mem::replace(&mut entry.state, vacant) {
            State::Occupied(source) => Some(source),
            State::Vacant { .. } => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}
