//! Rules: which keys belong together.
//!
//! A rule is a list of patterns, each a literal with one `*`, as `user:*`. What the star stands for
//! names the *group*: with the rule `user:*`, `profile:*`, `settings:*` the keys `user:42`,
//! `profile:42` and `settings:42` are the group `42`. The star stands for one byte or more. The
//! first rule that has a pattern which fits a key counts, and the first such pattern of it.
//!
//! The key of a group that the first pattern names, `user:42` here, is its *primary*. A rule says
//! one or both of
//! * *place*: all keys of a group have the placement slot of the primary, whether that exists or
//!   not, and so one shard; and compaction lays their records beside each other;
//! * *link*: `get_linked` of one key of a group returns the others, and a get of the primary starts
//!   the loads of the others.
//!
//! Invariants:
//! 1. A rule set never changes. Another one takes its place (see [`super::placement`]).
//! 2. Only the slot bits of a key's hash depend on rules; its group and its tag in the index do
//!    not. So an entry is the same under every rule set, and only its shard may differ.
//! 3. The slot of a primary is that of its whole key, with rules and without.
//!
//! ```text
//! Format (in CHECKPOINT, little-endian): rules u32, and for each
//!   flags u8 (1 place, 2 link) | patterns u8 | patterns x (length u16 | bytes)
//! ```

use crate::error::{Error, Result};
use crate::hash::{Hasher, KeyHash};
use crate::limits::KEY_LEN_MAX;

/// Most rules of a database, and patterns of a rule.
pub(crate) const RULES_MAX: usize = 64;
pub(crate) const PATTERNS_MAX: usize = 16;
/// Longest pattern.
pub(crate) const PATTERN_LEN_MAX: usize = 256;

/// The keys of a group share a slot.
pub(crate) const PLACE: u8 = 1;
/// The keys of a group are read together.
pub(crate) const LINK: u8 = 2;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Patterns with one `*` each; the first names the primary of a group.
    pub patterns: Vec<Vec<u8>>,
    /// The keys of a group share a placement slot.
    pub place: bool,
    /// The keys of a group are read together.
    pub link: bool,
}

impl Rule {
    /// A rule from the text `user:*,profile:*`, which places and links.
    pub fn parse(text: &str) -> Result<Rule> {
        let patterns = text.split(',').map(|p| p.trim().as_bytes().to_vec()).collect();
        let rule = Rule { patterns, place: true, link: true };
        rule.check().map(|()| rule)
    }

    fn flags(&self) -> u8 {
        (u8::from(self.place) * PLACE) | (u8::from(self.link) * LINK)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let count = self.patterns.len();
        if !(1..=PATTERNS_MAX).contains(&count) {
            return Err(Error::invalid(format!(
                "a rule has 1 to {PATTERNS_MAX} patterns, this one {count}"
            )));
        }
        if !self.place && !self.link {
            return Err(Error::invalid(
                "a rule places, links, or does both; this one does nothing",
            ));
        }
        for (i, pattern) in self.patterns.iter().enumerate() {
            let shown = String::from_utf8_lossy(pattern);
            if pattern.iter().filter(|b| **b == b'*').count() != 1 {
                return Err(Error::invalid(format!("pattern {shown:?}: it needs exactly one *")));
            }
            if pattern.len() > PATTERN_LEN_MAX {
                return Err(Error::invalid(format!(
                    "pattern length {} exceeds {PATTERN_LEN_MAX}",
                    pattern.len()
                )));
            }
            if self.patterns[..i].contains(pattern) {
                return Err(Error::invalid(format!("pattern {shown:?} is there twice")));
            }
        }
        Ok(())
    }
}

/// A pattern, taken apart at its star.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl Pattern {
    fn new(text: &[u8]) -> Pattern {
        let star = text.iter().position(|b| *b == b'*').unwrap_or(text.len());
        let after = text.get(star + 1..).unwrap_or_default();
        Pattern { before: text[..star].into(), after: after.into() }
    }

    /// What the star stands for in `key`.
    #[inline]
    fn star<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let rest = key.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        (!rest.is_empty()).then_some(rest)
    }

    /// The key in which the star stands for `star`; `None` if there is no such key.
    fn key(&self, star: &[u8]) -> Option<Vec<u8>> {
        let key = [&*self.before, star, &*self.after].concat();
        (key.len() <= KEY_LEN_MAX).then_some(key)
    }
}

/// The rules of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RuleSet {
    rules: Vec<Rule>,
    patterns: Vec<Vec<Pattern>>,
    places: bool,
    links: bool,
}

/// A key's place in a group.
pub(crate) struct Member<'r, 'k> {
    rule: usize,
    pattern: usize,
    star: &'k [u8],
    set: &'r RuleSet,
}

impl RuleSet {
    pub(crate) fn new(rules: Vec<Rule>) -> Result<RuleSet> {
        if rules.len() > RULES_MAX {
            return Err(Error::invalid(format!("{} rules exceed {RULES_MAX}", rules.len())));
        }
        for (i, rule) in rules.iter().enumerate() {
            rule.check()?;
            let mut earlier = rules[..i].iter().flat_map(|r| &r.patterns);
            if let Some(pattern) = earlier.find(|p| rule.patterns.contains(p)) {
                return Err(Error::invalid(format!(
                    "pattern {:?} belongs to another rule already",
                    String::from_utf8_lossy(pattern)
                )));
            }
        }
        let patterns = rules.iter().map(|r| r.patterns.iter().map(|p| Pattern::new(p)).collect());
        Ok(RuleSet {
            patterns: patterns.collect(),
            places: rules.iter().any(|r| r.place),
            links: rules.iter().any(|r| r.link),
            rules,
        })
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn places(&self) -> bool {
        self.places
    }

    pub(crate) fn links(&self) -> bool {
        self.links
    }

    /// The group that a key belongs to by rules that have one of `flags`.
    pub(crate) fn member<'r, 'k>(&'r self, key: &'k [u8], flags: u8) -> Option<Member<'r, 'k>> {
        for (rule, patterns) in self.patterns.iter().enumerate() {
            if self.rules[rule].flags() & flags == 0 {
                continue;
            }
            for (pattern, parts) in patterns.iter().enumerate() {
                if let Some(star) = parts.star(key) {
                    return Some(Member { rule, pattern, star, set: self });
                }
            }
        }
        None
    }

    /// The hash of a key whose hash without rules is `plain`.
    pub(crate) fn hash(&self, hasher: &Hasher, plain: KeyHash, key: &[u8]) -> KeyHash {
        match self.member(key, PLACE) {
            Some(member) if member.pattern != 0 => match member.key(0) {
                Some(primary) => plain.with_slot_of(hasher.hash(&primary)),
                None => plain,
            },
            _ => plain,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = (self.rules.len() as u32).to_le_bytes().to_vec();
        for rule in &self.rules {
            bytes.extend([rule.flags(), rule.patterns.len() as u8]);
            for pattern in &rule.patterns {
                bytes.extend((pattern.len() as u16).to_le_bytes());
                bytes.extend_from_slice(pattern);
            }
        }
        bytes
    }

    /// All rules, as JSON.
    pub(crate) fn json(&self) -> String {
        let text = |p: &Vec<u8>| super::monitor::json_string(p);
        let rule = |rule: &Rule| {
            let patterns: Vec<String> = rule.patterns.iter().map(text).collect();
            let patterns = patterns.join(",");
            format!("{{\"patterns\":[{patterns}],\"place\":{},\"link\":{}}}", rule.place, rule.link)
        };
        let rules: Vec<String> = self.rules.iter().map(rule).collect();
        format!("{{\"rules\":[{}]}}", rules.join(","))
    }

    /// What [`RuleSet::encode`] made; `None` if it is nothing of the kind.
    pub(crate) fn decode(bytes: &[u8]) -> Option<RuleSet> {
        let (count, mut rest) = bytes.split_first_chunk::<4>()?;
        let count = u32::from_le_bytes(*count) as usize;
        let mut rules = Vec::new();
        for _ in 0..count.min(RULES_MAX + 1) {
            let (head, tail) = rest.split_first_chunk::<2>()?;
            rest = tail;
            let mut patterns = Vec::new();
            for _ in 0..head[1] {
                let (len, tail) = rest.split_first_chunk::<2>()?;
                let (pattern, tail) = tail.split_at_checked(u16::from_le_bytes(*len).into())?;
                patterns.push(pattern.to_vec());
                rest = tail;
            }
            if head[0] & !(PLACE | LINK) != 0 {
                return None;
            }
            rules.push(Rule { patterns, place: head[0] & PLACE != 0, link: head[0] & LINK != 0 });
        }
        rest.is_empty().then(|| RuleSet::new(rules).ok()).flatten()
    }
}

impl Member<'_, '_> {
    /// Whether the key is the primary of its group.
    pub(crate) fn is_primary(&self) -> bool {
        self.pattern == 0
    }

    fn key(&self, pattern: usize) -> Option<Vec<u8>> {
        self.set.patterns[self.rule][pattern].key(self.star)
    }

    /// The other keys of the group.
    pub(crate) fn others(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let patterns = self.set.patterns[self.rule].len();
        (0..patterns).filter(|p| *p != self.pattern).filter_map(|p| self.key(p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::SECRET_LEN;

    fn rules(texts: &[&str]) -> RuleSet {
        RuleSet::new(texts.iter().map(|t| Rule::parse(t).unwrap()).collect()).unwrap()
    }

    #[test]
    fn a_group_shares_the_slot_of_its_primary_and_nothing_else_changes() {
        let set = rules(&["user:*,profile:*,user:*:posts"]);
        let hasher = Hasher::new(&[7; SECRET_LEN]);
        let hash = |key: &[u8]| set.hash(&hasher, hasher.hash(key), key);
        let primary = hasher.hash(b"user:42");
        for key in [&b"user:42"[..], b"profile:42"] {
            assert_eq!(hash(key).slot(), primary.slot());
            assert_eq!(hash(key).tag(), hasher.hash(key).tag());
            assert_eq!(hash(key).group(), hasher.hash(key).group());
        }
        // The first pattern that fits counts.
        assert_eq!(hash(b"user:42:posts"), hasher.hash(b"user:42:posts"));
        for plain in [&b"user:"[..], b"other:42", b"profile", b"*"] {
            assert_eq!(hash(plain), hasher.hash(plain));
        }
    }

    #[test]
    fn a_group_names_its_other_keys() {
        let set = rules(&["u:*,p:*:x", "a*,b*"]);
        let others = |key: &[u8]| {
            let member = set.member(key, LINK).unwrap();
            (member.is_primary(), member.others().collect::<Vec<_>>())
        };
        assert_eq!(others(b"u:1"), (true, vec![b"p:1:x".to_vec()]));
        assert_eq!(others(b"p:1:x"), (false, vec![b"u:1".to_vec()]));
        assert_eq!(others(b"b9"), (false, vec![b"a9".to_vec()]));
        assert!(set.member(b"p:1", LINK).is_none());
    }

    #[test]
    fn rules_come_back_as_they_were_and_nothing_else_does() {
        let mut set = rules(&["user:*,profile:*", "x*"]).rules;
        set[1].place = false;
        let set = RuleSet::new(set).unwrap();
        let bytes = set.encode();
        assert_eq!(RuleSet::decode(&bytes).as_ref(), Some(&set));
        assert!((0..bytes.len()).all(|len| RuleSet::decode(&bytes[..len]).is_none()));
        assert_eq!(RuleSet::decode(&RuleSet::default().encode()), Some(RuleSet::default()));
    }

    #[test]
    fn wrong_rules_are_refused() {
        for wrong in ["", "user", "a**", "a*,a*", "*x*"] {
            assert!(Rule::parse(wrong).is_err(), "{wrong:?}");
        }
        let twice = vec![Rule::parse("a*,b*").unwrap(), Rule::parse("b*").unwrap()];
        assert!(RuleSet::new(twice).is_err());
    }
}
