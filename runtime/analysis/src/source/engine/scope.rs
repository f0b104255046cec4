//! Names, the cells they stand for, and what branches and loops do to the cells.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use super::value::{CellId, Fields, Items, Piece, Text, Value};

/// The names of a block or function.
#[derive(Debug, Default)]
pub(in crate::source) struct Scope {
    names: RefCell<HashMap<String, CellId>>,
    outer: RefCell<BTreeSet<String>>,
    parent: Option<Rc<Scope>>,
    is_function: bool,
}

impl Scope {
    pub(in crate::source) fn module() -> Rc<Self> {
        Rc::new(Self { is_function: true, ..Self::default() })
    }

    pub(in crate::source) fn block(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { parent: Some(Rc::clone(parent)), ..Self::default() })
    }

    pub(in crate::source) fn function(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { parent: Some(Rc::clone(parent)), is_function: true, ..Self::default() })
    }

    pub(in crate::source) fn find(&self, name: &str) -> Option<CellId> {
        let mut scope = self;
        loop {
            if let Some(cell) = scope.names.borrow().get(name) {
                return Some(*cell);
            }
            scope = scope.parent.as_deref()?;
        }
    }

    pub(in crate::source) fn own(&self, name: &str) -> Option<CellId> {
        self.names.borrow().get(name).copied()
    }

    pub(in crate::source) fn define(&self, name: &str, cell: CellId) {
        self.names.borrow_mut().insert(name.to_owned(), cell);
    }

    /// The scope in which a function-wide name lives.
    pub(in crate::source) fn function_scope(&self) -> &Self {
        let mut scope = self;
        while !scope.is_function {
            match scope.parent.as_deref() {
                Some(parent) => scope = parent,
                None => return scope,
            }
        }
        scope
    }

    pub(in crate::source) fn mark_outer(&self, name: &str) {
        self.function_scope().outer.borrow_mut().insert(name.to_owned());
    }

    pub(in crate::source) fn is_outer(&self, name: &str) -> bool {
        self.function_scope().outer.borrow().contains(name)
    }

    pub(in crate::source) fn all(&self) -> BTreeMap<String, CellId> {
        self.names.borrow().iter().map(|(name, cell)| (name.clone(), *cell)).collect()
    }
}

/// The values of all cells, with what is needed to take a branch back.
#[derive(Debug, Default)]
pub(in crate::source) struct Store<'m> {
    cells: Vec<Value<'m>>,
    log: Vec<(CellId, Value<'m>)>,
}

/// What a branch wrote.
pub(in crate::source) type Writes<'m> = BTreeMap<CellId, Value<'m>>;

impl<'m> Store<'m> {
    pub(in crate::source) fn new_cell(&mut self, value: Value<'m>) -> CellId {
        self.cells.push(value);
        self.cells.len() - 1
    }

    /// Cells from here on are younger.
    pub(in crate::source) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(in crate::source) fn get(&self, cell: CellId) -> Value<'m> {
        self.cells.get(cell).cloned().unwrap_or(Value::Absent)
    }

    pub(in crate::source) fn set(&mut self, cell: CellId, value: Value<'m>) {
        if let Some(slot) = self.cells.get_mut(cell) {
            let old = std::mem::replace(slot, value);
            self.log.push((cell, old));
        }
    }

    pub(in crate::source) fn mark(&self) -> usize {
        self.log.len()
    }

    /// Takes back what was written since `mark` and returns it.
    pub(in crate::source) fn take_back(&mut self, mark: usize) -> Writes<'m> {
        let mut writes = Writes::new();
        while self.log.len() > mark {
            let Some((cell, old)) = self.log.pop() else { break };
            if let Some(slot) = self.cells.get_mut(cell) {
                let new = std::mem::replace(slot, old);
                writes.entry(cell).or_insert(new);
            }
        }
        writes
    }

    /// Values of the cells written since `mark`, as they were then.
    pub(in crate::source) fn before(&self, mark: usize) -> Writes<'m> {
        let mut old = Writes::new();
        for (cell, value) in self.log.get(mark..).unwrap_or_default() {
            old.entry(*cell).or_insert_with(|| value.clone());
        }
        old
    }

    /// Makes the state what any of the branches left; `total` says that one of them ran.
    pub(in crate::source) fn merge(&mut self, branches: &[Writes<'m>], total: bool) {
        let cells: BTreeSet<CellId> = branches.iter().flat_map(|writes| writes.keys().copied()).collect();
        for cell in cells {
            let old = self.get(cell);
            let each = branches.iter().map(|writes| writes.get(&cell).unwrap_or(&old).clone());
            let mut joined = if total { None } else { Some(old.clone()) };
            for value in each {
                joined = Some(match joined {
                    Some(before) => join(before, value),
                    None => value,
                });
            }
            if let Some(joined) = joined {
                self.set(cell, joined);
            }
        }
    }
}

/// Either of two states of one cell.
pub(in crate::source) fn join<'m>(a: Value<'m>, b: Value<'m>) -> Value<'m> {
    match (a, b) {
        (Value::Items(a), Value::Items(b)) if a != b => Value::Items(Rc::new(join_items(&a, &b))),
        (Value::Fields(a), Value::Fields(b)) if a != b => Value::Fields(Rc::new(join_fields(&a, &b))),
        (a, b) => a.or(b),
    }
}

impl PartialEq for Items<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.many == other.many && self.items == other.items
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.named == other.named && self.rest == other.rest
    }
}

fn join_items<'m>(a: &Items<'m>, b: &Items<'m>) -> Items<'m> {
    if !a.many && !b.many && a.items.len() == b.items.len() {
        let pairs = a.items.iter().zip(&b.items);
        return Items { items: pairs.map(|(a, b)| a.clone().or(b.clone())).collect(), many: false };
    }
    many(a.items.iter().chain(&b.items))
}

/// A list in which any of these can be, in any number.
pub(in crate::source) fn many<'a, 'm: 'a>(values: impl IntoIterator<Item = &'a Value<'m>>) -> Items<'m> {
    let mut items: Vec<Value<'m>> = Vec::new();
    for value in values {
        if !items.contains(value) && items.len() < 64 {
            items.push(value.clone());
        }
    }
    Items { items, many: true }
}

fn join_fields<'m>(a: &Fields<'m>, b: &Fields<'m>) -> Fields<'m> {
    let mut named = a.named.clone();
    for (name, value) in &b.named {
        let joined = named.remove(name).unwrap_or(Value::Absent).or(value.clone());
        named.insert(name.clone(), joined);
    }
    let rest = match (&a.rest, &b.rest) {
        (Some(a), Some(b)) => Some(a.clone().or(b.clone())),
        (one, other) => one.clone().or(other.clone()),
    };
    Fields { named, rest }
}

/// What a cell can hold after any number of rounds of a loop that makes `new` of `old`.
pub(in crate::source) fn widen<'m>(old: &Value<'m>, new: Value<'m>) -> Value<'m> {
    if let (Value::Text(before), Value::Text(after)) = (old, &new)
        && !after.has_holes()
    {
        let (start, whole) = (before.sample(), after.sample());
        if let Some(more) = whole.strip_prefix(start.as_str()) {
            let mut text = before.as_ref().clone();
            if !more.is_empty() {
                text.push(Piece::Varies(more.to_owned()));
            }
            return Value::Text(Rc::new(text));
        }
        return Value::Text(Rc::new(Text { pieces: vec![Piece::Varies(whole)] })).or(old.clone());
    }
    match (old, &new) {
        (Value::Items(a), Value::Items(b)) if a != b => Value::Items(Rc::new(many(a.items.iter().chain(&b.items)))),
        _ => join(old.clone(), new),
    }
}
