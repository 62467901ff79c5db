//! The configuration before it means anything: file, environment and defaults merged, each value with its
//! place.
//!
//! Here a key is known or not and a value has the right type or not. Whether it makes sense is decided by the
//! readers of the sections.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::keys::{KEYS, Key, Kind, key};
use super::problem::Problem;
use crate::limits::{LIST_ENTRIES_MAX, TYPING_MISTAKES_MAX};

/// The merged values and the problems found so far.
///
/// Made by [`Draft::new`]; then every key has a value of its kind, if need be the default in place of a
/// refused one, so that reading goes on and finds more.
pub(crate) struct Draft {
    file: Option<PathBuf>,
    items: BTreeMap<&'static str, Item>,
    /// What was refused.
    pub(crate) problems: Vec<Problem>,
}

/// A value and where it was written.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

/// A value of the types that TOML and our keys share.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Item>),
    Table(Vec<(String, Item)>),
    /// A type of TOML that no key has.
    Foreign,
}

/// Where a value was written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Default,
    Variable,
    /// Told by a socket that is open already.
    Inherited,
    /// A line of the file, from 1.
    Line(usize),
}

impl Draft {
    /// Merges a file's text (with its path, for the messages), the environment and the defaults.
    pub(crate) fn new(file: Option<(PathBuf, String)>, variables: &BTreeMap<String, String>) -> Self {
        let (path, text) = file.map_or((None, String::new()), |(path, text)| (Some(path), text));
        let mut draft = Self { file: path, items: BTreeMap::new(), problems: Vec::new() };
        draft.take_file(&text);
        draft.take_environment(variables);
        for key in KEYS {
            draft.items.entry(key.path).or_insert_with(|| default(key));
        }
        draft
    }

    /// Puts another value of its kind in the place of a key's.
    pub(crate) fn replace(&mut self, key: &str, item: Item) {
        if let Some(old) = self.items.get_mut(key) {
            *old = item;
        }
    }

    /// Records a problem with a key.
    pub(crate) fn refuse(&mut self, key: &str, place: Place, wrong: &str, right: &str) {
        let line = match place {
            Place::Line(line) => Some(line),
            Place::Default | Place::Variable | Place::Inherited => None,
        };
        self.problems.push(Problem {
            file: self.file.clone().filter(|_| line.is_some()),
            line,
            variable: (place == Place::Variable).then(|| variable(key)),
            key: Some(key.to_owned()),
            wrong: wrong.to_owned(),
            right: right.to_owned(),
        });
    }

    /// The value of a key.
    pub(crate) fn item(&self, key: &str) -> &Item {
        self.items.get(key).expect("every key of the table has at least its default")
    }

    /// Where a key's value was written.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.item(key).place
    }

    /// The value of a [`Kind::Text`] or [`Kind::Choice`] key.
    pub(crate) fn text(&self, key: &str) -> String {
        match &self.item(key).value {
            Value::Text(text) => text.clone(),
            _ => unreachable!("kinds were checked when the value was taken"),
        }
    }

    /// The value of a [`Kind::Switch`] key.
    pub(crate) fn switch(&self, key: &str) -> bool {
        matches!(self.item(key).value, Value::Switch(true))
    }

    /// The value of a [`Kind::Number`] key.
    pub(crate) fn number(&self, key: &str) -> u32 {
        match self.item(key).value {
            Value::Number(number) => u32::try_from(number).expect("the bounds of all number keys fit"),
            _ => unreachable!("kinds were checked when the value was taken"),
        }
    }

    /// The entries of a [`Kind::Texts`] key, each with its place.
    pub(crate) fn texts(&self, key: &str) -> Vec<(String, Place)> {
        let text = |item: &Item| match &item.value {
            Value::Text(text) => Some((text.clone(), item.place)),
            _ => None,
        };
        self.entries(key).iter().filter_map(text).collect()
    }

    /// The entries of a list key.
    pub(crate) fn entries(&self, key: &str) -> &[Item] {
        match &self.item(key).value {
            Value::List(entries) => entries,
            _ => &[],
        }
    }

    fn take_file(&mut self, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            self.refuse_syntax(text, &error);
        }
        self.take_table("", table.get_ref(), &Lines(text));
    }

    fn take_table(&mut self, section: &str, table: &DeTable<'_>, lines: &Lines<'_>) {
        for (name, value) in table {
            let path = if section.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{section}.{name}", name = name.get_ref())
            };
            let place = Place::Line(lines.of(name.span().start));
            if let Some(key) = key(&path) {
                self.take(key, item(value, lines));
            } else if !is_section(&path) {
                let (wrong, right) = unknown(section, name.get_ref());
                self.refuse(&path, place, wrong, &right);
            } else if let DeValue::Table(inner) = value.get_ref() {
                self.take_table(&path, inner, lines);
            } else {
                let right = format!("write [{path}] on a line of its own and its keys below");
                self.refuse(&path, place, "is a section, not a value", &right);
            }
        }
    }

    fn take_environment(&mut self, variables: &BTreeMap<String, String>) {
        for (name, text) in variables.iter().filter(|(name, _)| name.starts_with("GINNEL_")) {
            if let Some(key) = KEYS.iter().find(|key| key.variable() == *name) {
                match from_variable(key.kind, text) {
                    Some(item) => self.take(key, item),
                    None => self.refuse_kind(key, Place::Variable),
                }
            } else if let Some(meant) = nearest(name, KEYS.iter().map(Key::variable)) {
                // Others put variables of this prefix too (container platforms, one per service); only what
                // must be a slip of the pen is refused.
                self.problems.push(Problem {
                    file: None,
                    line: None,
                    variable: Some(name.clone()),
                    key: None,
                    wrong: "is not a setting".to_owned(),
                    right: format!("did you mean {meant}?"),
                });
            }
        }
    }

    fn take(&mut self, key: &'static Key, item: Item) {
        if matches!(&item.value, Value::List(entries) if entries.len() > LIST_ENTRIES_MAX) {
            let right = format!("keep it to {LIST_ENTRIES_MAX} entries");
            return self.refuse(key.path, item.place, "is too long a list", &right);
        }
        match misfit(key.kind, &item) {
            Some(place) => self.refuse_kind(key, place),
            None => {
                self.items.insert(key.path, item);
            }
        }
    }

    fn refuse_kind(&mut self, key: &Key, place: Place) {
        let mut right = key.kind.description();
        if place == Place::Variable && matches!(key.kind, Kind::Texts) {
            "texts with commas between them".clone_into(&mut right);
        }
        self.refuse(key.path, place, "is not what belongs here", &format!("it must be {right}"));
    }

    fn refuse_syntax(&mut self, text: &str, error: &Error) {
        let span = error.span().unwrap_or(0..0);
        let duplicate = error.message().contains("duplicate key");
        let key = duplicate.then(|| text.get(span.clone()).unwrap_or_default().trim().to_owned());
        let (wrong, right) = if duplicate {
            ("is written twice".to_owned(), "keep one of the two".to_owned())
        } else {
            (format!("is not TOML: {}", error.message()), "mend the line; see https://toml.io".to_owned())
        };
        let line = Some(Lines(text).of(span.start));
        let file = self.file.clone();
        self.problems.push(Problem { file, line, variable: None, key, wrong, right });
    }
}

impl Item {
    /// A value at a place.
    pub(crate) const fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    /// The value as TOML on one line, without comments.
    pub(crate) fn to_toml(&self) -> String {
        match &self.value {
            Value::Text(text) => toml::Value::String(text.clone()).to_string(),
            Value::Number(number) => number.to_string(),
            Value::Switch(on) => on.to_string(),
            Value::List(entries) => {
                let entries: Vec<_> = entries.iter().map(Item::to_toml).collect();
                format!("[{}]", entries.join(", "))
            }
            Value::Table(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(name, item)| format!("{name} = {}", item.to_toml())).collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Value::Foreign => unreachable!("no key takes it"),
        }
    }

    /// The value as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Number(number) => (*number).into(),
            Value::Switch(on) => (*on).into(),
            Value::List(entries) => entries.iter().map(Item::to_json).collect(),
            Value::Table(fields) => {
                fields.iter().map(|(name, item)| (name.clone(), item.to_json())).collect()
            }
            Value::Foreign => unreachable!("no key takes it"),
        }
    }
}

/// Byte offsets to line numbers.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

/// The name nearest to a misspelt one, if any is near enough to be meant.
pub(crate) fn nearest<N: AsRef<str>>(name: &str, known: impl IntoIterator<Item = N>) -> Option<N> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate.as_ref()), candidate))
        .filter(|(distance, _)| *distance <= TYPING_MISTAKES_MAX)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The environment variable of a key.
pub(crate) fn variable(path: &str) -> String {
    key(path).map(Key::variable).unwrap_or_default()
}

fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// What to say of a key that the table does not have.
fn unknown(section: &str, name: &str) -> (&'static str, String) {
    let wrong = "is not a key";
    let mut siblings: Vec<&str> = Vec::new();
    for key in KEYS {
        let below = if section.is_empty() {
            Some(key.path)
        } else {
            key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'))
        };
        let sibling = below.map(|below| below.split('.').next().unwrap_or(below));
        if let Some(sibling) = sibling.filter(|sibling| !siblings.contains(sibling)) {
            siblings.push(sibling);
        }
    }
    if let Some(elsewhere) = KEYS.iter().find(|key| key.name() == name && !key.section().is_empty()) {
        return (wrong, format!("did you mean {name} in [{}]?", elsewhere.section()));
    }
    if let Some(meant) = nearest(name, siblings.iter().copied()) {
        return (wrong, format!("did you mean {meant}?"));
    }
    let siblings = siblings.join(", ");
    (
        wrong,
        if section.is_empty() {
            format!("there are {siblings}")
        } else {
            format!("[{section}] has {siblings}")
        },
    )
}

fn default(key: &Key) -> Item {
    let value = DeValue::parse(key.default).expect("the defaults are TOML, which a test proves");
    let mut item = item(&value, &Lines(""));
    displace(&mut item, Place::Default);
    item
}

fn displace(item: &mut Item, place: Place) {
    item.place = place;
    match &mut item.value {
        Value::List(entries) => entries.iter_mut().for_each(|entry| displace(entry, place)),
        Value::Table(fields) => fields.iter_mut().for_each(|(_, field)| displace(field, place)),
        _ => {}
    }
}

fn item(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Item {
    let place = Place::Line(lines.of(value.span().start));
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Foreign, Value::Number)
        }
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Array(entries) => Value::List(entries.iter().map(|entry| item(entry, lines)).collect()),
        DeValue::Table(table) => {
            let field = |(name, value): (&Spanned<_>, &Spanned<_>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                (name.to_string(), item(value, lines))
            };
            Value::Table(table.iter().map(field).collect())
        }
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Foreign,
    };
    Item { value, place }
}

/// A variable's text as a value: texts and words stand bare, lists of texts have commas, users are TOML.
fn from_variable(kind: Kind, text: &str) -> Option<Item> {
    let place = Place::Variable;
    let value = match kind {
        Kind::Text | Kind::Choice(_) => Value::Text(text.to_owned()),
        Kind::Switch => Value::Switch(text.parse().ok()?),
        Kind::Number { .. } => Value::Number(text.parse().ok()?),
        Kind::Texts => {
            let entry = |text: &str| Item { value: Value::Text(text.trim().to_owned()), place };
            let entries = text.split(',').filter(|_| !text.trim().is_empty());
            Value::List(entries.map(entry).collect())
        }
        Kind::Users => {
            let parsed = DeValue::parse(text).ok()?;
            let mut item = item(&parsed, &Lines(""));
            displace(&mut item, place);
            item.value
        }
    };
    Some(Item { value, place })
}

/// Where a value is not of its kind.
fn misfit(kind: Kind, item: &Item) -> Option<Place> {
    let entry_misfit = |entries: &[Item], fits: fn(&Value) -> bool| {
        entries.iter().find(|entry| !fits(&entry.value)).map(|entry| entry.place)
    };
    match (kind, &item.value) {
        (Kind::Text, Value::Text(_)) | (Kind::Switch, Value::Switch(_)) => None,
        (Kind::Choice(words), Value::Text(text)) if words.contains(&text.as_str()) => None,
        (Kind::Number { min, max }, Value::Number(number)) if (min..=max).contains(number) => None,
        (Kind::Texts, Value::List(entries)) => entry_misfit(entries, |value| matches!(value, Value::Text(_))),
        (Kind::Users, Value::List(entries)) => {
            entry_misfit(entries, |value| matches!(value, Value::Table(_)))
        }
        _ => Some(item.place),
    }
}
