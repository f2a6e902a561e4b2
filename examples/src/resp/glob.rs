//! Redis's glob patterns: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a sign that stands for itself.

/// Whether `text` matches `pattern` as a whole.
///
/// The time is at most the product of both lengths: only the last `*` is ever tried again, since
/// what an earlier one could still match, the last one can match as well.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        match one(&pattern[p..], text[t]) {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Matches one sign against what begins the pattern; gives the length of that beginning.
fn one(pattern: &[u8], sign: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (hit, used) = in_class(class, sign);
            hit.then_some(used + 1)
        }
        [b'\\', literal, ..] => (*literal == sign).then_some(2),
        [literal, ..] => (*literal == sign).then_some(1),
    }
}

/// Whether `sign` is in the class that `class` begins with, and the class's length with its `]`.
/// A class that is not closed goes on to the pattern's end.
fn in_class(class: &[u8], sign: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut hit = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => {
                hit |= *literal == sign;
                at += 2;
            }
            [from, b'-', to, ..] => {
                hit |= (*from.min(to)..=*from.max(to)).contains(&sign);
                at += 3;
            }
            [literal, ..] => {
                hit |= *literal == sign;
                at += 1;
            }
        }
    }
    (hit != negated, at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("*", &["", "a", "abc"], &[]),
            ("", &[""], &["a"]),
            ("h?llo", &["hello", "hallo"], &["hllo", "heello"]),
            ("h*llo", &["hllo", "heeeello", "hllollo"], &["hell", "ahllo"]),
            ("h[ae]llo", &["hello", "hallo"], &["hillo"]),
            ("h[^e]llo", &["hallo"], &["hello", "hllo"]),
            ("h[a-c]llo", &["hallo", "hcllo"], &["hdllo"]),
            ("h[c-a]llo", &["hbllo"], &["hdllo"]),
            ("a\\*b", &["a*b"], &["aab", "a\\*b"]),
            ("a\\", &["a\\"], &["a"]),
            ("[\\]]", &["]"], &["\\"]),
            ("[ab", &["a", "b"], &["c", "[ab"]),
            ("*a*b*c", &["abc", "xaybzc", "aabbcc"], &["acb", "abcd"]),
            ("a**", &["a", "ab"], &["b"]),
            ("user:*:name", &["user:1:name", "user::name"], &["user:1:names"]),
        ];
        for (pattern, hits, misses) in cases {
            for text in *hits {
                assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
            }
            for text in *misses {
                assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"a*".repeat(50);
        let text = [b"a".repeat(5_000), b"b".to_vec()].concat();
        assert!(matches(&pattern, &text));
        assert!(!matches(&[pattern, b"c".to_vec()].concat(), &text));
    }
}
