//! The few operations of Python's pickle that a dictionary of torch's tensors is made of.
//!
//! In: the bytes of a pickle. Out: the objects that it makes. Nothing is executed, and nothing is looked up by a
//! name in the file: the globals that tensors need are known here, and any other is refused by its name.
//!
//! candle has a reader of pickles too. It copies what the file refers to again, so that a kilobyte can ask for any
//! amount of memory, takes a text's length from the file before it has the text, drops nested tuples by recursion until
//! the stack overflows, and panics where a tuple is short.

use std::collections::HashMap;

use crate::interchange::torch::objects::{Global, Item, Object, Objects, PickleError, TensorPlace};

/// The most operations of a pickle. DenseNet121 has 30 thousand, with the state of its optimiser three times as many.
const MOST_STEPS: usize = 500_000;
/// The most axes of a tensor; a kernel has four.
const MOST_AXES: usize = 8;
/// The longest name of a storage in bytes; torch counts them, and has written their addresses.
const LONGEST_NAME: usize = 64;

type Result<T> = std::result::Result<T, PickleError>;

/// Reads the pickle that bytes begin with: what it has made, the last of it, and the bytes behind.
pub(super) fn load(bytes: &[u8]) -> Result<(Objects<'_>, Item<'_>, &[u8])> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        objects: Objects { objects: Vec::new(), length: bytes.len() },
        memo: HashMap::new(),
        copies: bytes.len().min(MOST_STEPS),
    };
    let last = machine.run()?;
    Ok((machine.objects, last, machine.rest))
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Item<'a>>,
    objects: Objects<'a>,
    memo: HashMap<u32, Item<'a>>,
    /// How many items may still be copied from one object to another. Each has taken an operation of a byte or more, and
    /// is copied once, unless a list is recalled from the memo to be copied again.
    copies: usize,
}

impl<'a> Machine<'a> {
    /// Runs all operations and returns what is left.
    fn run(&mut self) -> Result<Item<'a>> {
        for _ in 0..MOST_STEPS {
            let operation = self.byte()?;
            if operation == b'.' {
                return self.pop();
            }
            self.step(operation)?;
        }
        Err(PickleError::Broken("it has more operations than any file of a network's tensors"))
    }

    /// One operation; their codes are those of Python's `pickletools`.
    fn step(&mut self, operation: u8) -> Result<()> {
        let item = match operation {
            0x80 => return self.take(1).map(drop), // PROTO
            0x95 => return self.take(8).map(drop), // FRAME
            b'N' | 0x88 | 0x89 => Item::Nothing,   // NONE, NEWTRUE, NEWFALSE
            b'G' => {
                self.take(8)?; // BINFLOAT
                Item::Nothing
            }
            b'(' => Item::Mark,
            b'K' => Item::Int(self.byte()?.into()),
            b'M' => Item::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Item::Int(i32::from_le_bytes(self.array()?).into()),
            0x8a => self.long()?,
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?
            }
            // SHORT_BINUNICODE, and the SHORT_BINSTRING of Python 2.
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(length.into())?
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Item::Text(name), Item::Text(module)) => self.global(module, name)?,
                _ => return Err(PickleError::Broken("it names something by what is no text")),
            },
            b')' => self.objects.make(Object::Tuple(Vec::new())),
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
                let items = self.stack.split_off(from);
                self.objects.make(Object::Tuple(items))
            }
            b't' => {
                let items = self.pop_mark()?;
                self.objects.make(Object::Tuple(items))
            }
            b']' => self.objects.make(Object::List(Vec::new())),
            b'l' => {
                let items = self.pop_mark()?;
                self.objects.make(Object::List(items))
            }
            b'a' => {
                let item = self.pop()?;
                return self.append(&[item]);
            }
            b'e' => {
                let items = self.pop_mark()?;
                return self.append(&items);
            }
            b'0' => return self.pop().map(drop),
            b'1' => return self.pop_mark().map(drop),
            b'}' => self.objects.make(Object::Dictionary(Vec::new())),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                return self.set(&[key, value]);
            }
            b'u' => {
                let items = self.pop_mark()?;
                return self.set(&items);
            }
            b'q' => {
                let place = self.byte()?;
                return self.remember(place.into());
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                return self.remember(place);
            }
            0x94 => return self.remember(self.memo.len() as u32), // MEMOIZE
            b'h' => {
                let place = self.byte()?;
                self.recall(place.into())?
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place)?
            }
            b'Q' => self.storage()?,
            b'R' | 0x81 => self.call()?,
            b'b' => return self.pop().map(drop), // BUILD sets attributes, such as _metadata
            _ => return Err(PickleError::Broken("it has an operation that no file of tensors needs")),
        };
        self.stack.push(item);
        Ok(())
    }

    /// Calls what tensors are made by.
    fn call(&mut self) -> Result<Item<'a>> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let (Item::Global(global), Some(Object::Tuple(arguments))) = (callable, self.objects.get(arguments)) else {
            return Err(PickleError::Broken("it calls what is no part of a tensor"));
        };
        match (global, &arguments[..]) {
            (Global::Dictionary, pairs) => {
                // Python 2 gives the pairs of an OrderedDict as a list.
                let pairs = pairs.first().and_then(|pairs| self.objects.items(*pairs)).unwrap_or_default();
                self.copies = self.copies.checked_sub(pairs.len()).ok_or(COPIES)?;
                let pair = |pair: &Item<'a>| match self.objects.items(*pair) {
                    Some([key, value]) => Some((*key, *value)),
                    _ => None,
                };
                let entries = pairs.iter().filter_map(pair).collect();
                Ok(self.objects.make(Object::Dictionary(entries)))
            }
            (Global::Parameter, [tensor, ..]) => Ok(*tensor),
            (Global::Tensor, [storage, Item::Int(offset), shape, strides, ..]) => {
                let Some(Object::Storage { numbers, name }) = self.objects.get(*storage) else {
                    return Err(PickleError::Broken("a tensor has no storage"));
                };
                let (numbers, storage) = (*numbers, *name);
                let offset = usize::try_from(*offset).map_err(|_| SIZES)?;
                let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
                let place = TensorPlace { numbers, storage, offset, shape, strides };
                Ok(self.objects.make(Object::Tensor(place)))
            }
            _ => Err(PickleError::Broken("a tensor is not described as torch describes tensors")),
        }
    }

    /// A tuple of sizes, of which a few are copied for each tensor.
    fn sizes(&self, item: Item<'a>) -> Result<Vec<usize>> {
        let Some(Object::Tuple(items)) = self.objects.get(item) else { return Err(SIZES) };
        if items.len() > MOST_AXES {
            return Err(PickleError::Broken("a tensor has more than eight axes"));
        }
        let size = |item: &Item<'_>| match item {
            Item::Int(size) => usize::try_from(*size).map_err(|_| SIZES),
            _ => Err(SIZES),
        };
        items.iter().map(size).collect()
    }

    /// What a persistent id stands for: ("storage", its kind, its name, a device, a count).
    fn storage(&mut self) -> Result<Item<'a>> {
        let id = self.pop()?;
        match self.objects.get(id) {
            Some(Object::Tuple(parts)) => match parts[..] {
                // A sixth part is a view of another storage, which torch has not written for long; none is None.
                [Item::Text("storage"), Item::Global(Global::Storage(numbers)), Item::Text(name), _, _]
                | [
                    Item::Text("storage"),
                    Item::Global(Global::Storage(numbers)),
                    Item::Text(name),
                    _,
                    _,
                    Item::Nothing,
                ] if name.len() <= LONGEST_NAME => Ok(self.objects.make(Object::Storage { numbers, name })),
                _ => Err(PickleError::Broken("it refers to what is no storage of numbers")),
            },
            _ => Err(PickleError::Broken("it refers to what is no storage of numbers")),
        }
    }

    fn global(&self, module: &str, name: &str) -> Result<Item<'a>> {
        let global = Global::of(module, name).map(Item::Global);
        let shown = |text: &str| text.chars().take(80).collect::<String>();
        global.ok_or_else(|| PickleError::Global(format!("{}.{}", shown(module), shown(name))))
    }

    fn set(&mut self, items: &[Item<'a>]) -> Result<()> {
        let Some(Object::Dictionary(entries)) = self.last() else {
            return Err(PickleError::Broken("it sets an entry of what is no dictionary"));
        };
        entries.extend(items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn append(&mut self, items: &[Item<'a>]) -> Result<()> {
        let Some(Object::List(list)) = self.last() else {
            return Err(PickleError::Broken("it appends to what is no list"));
        };
        list.extend(items);
        Ok(())
    }

    /// The object on top of the stack.
    fn last(&mut self) -> Option<&mut Object<'a>> {
        match self.stack.last() {
            Some(Item::Object(place)) => self.objects.objects.get_mut(*place),
            _ => None,
        }
    }

    fn remember(&mut self, place: u32) -> Result<()> {
        let item = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(place, item);
        Ok(())
    }

    fn recall(&self, place: u32) -> Result<Item<'a>> {
        self.memo.get(&place).copied().ok_or(PickleError::Broken("it refers to what it has not made"))
    }

    fn pop(&mut self) -> Result<Item<'a>> {
        self.stack.pop().ok_or(EMPTY)
    }

    /// All items behind the last mark, which goes too.
    fn pop_mark(&mut self) -> Result<Vec<Item<'a>>> {
        let mark = self.stack.iter().rposition(|item| matches!(item, Item::Mark)).ok_or(EMPTY)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(PickleError::Broken("it is cut off"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| PickleError::Broken("it is cut off"))
    }

    fn text(&mut self, length: usize) -> Result<Item<'a>> {
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Item::Text).map_err(|_| PickleError::Broken("a text in it is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(PickleError::Broken("it is cut off"))?;
        let line = std::str::from_utf8(self.take(end)?);
        self.take(1)?;
        line.map_err(|_| PickleError::Broken("a text in it is not UTF-8"))
    }

    /// A whole number of up to eight bytes; a longer one is none of a tensor's sizes.
    fn long(&mut self) -> Result<Item<'a>> {
        let count = self.byte()?;
        let bytes = self.take(count.into())?;
        let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut whole = if negative { [0xff; 8] } else { [0; 8] };
        let Some(target) = whole.get_mut(..bytes.len()) else { return Ok(Item::Nothing) };
        target.copy_from_slice(bytes);
        Ok(Item::Int(i64::from_le_bytes(whole)))
    }
}

const EMPTY: PickleError = PickleError::Broken("an operation lacks what it works on");
const COPIES: PickleError = PickleError::Broken("it copies one list again and again");
const SIZES: PickleError = PickleError::Broken("a tensor's sizes are no whole numbers");
