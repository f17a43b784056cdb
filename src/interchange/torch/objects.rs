//! What a pickle of torch's tensors makes: objects that lie in one list and refer to each other by their places in it.

use crate::interchange::numbers::Numbers;

/// A tensor as a pickle describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TensorPlace<'a> {
    pub(super) numbers: Numbers,
    /// The name of the storage, an entry of the zip.
    pub(super) storage: &'a str,
    /// The first number of the storage that is the tensor's.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// How many numbers of the storage lie between neighbours of each axis.
    pub(super) strides: Vec<usize>,
}

/// The tensors of a dictionary by name.
pub(super) type TensorPlaces<'a> = Vec<(&'a str, TensorPlace<'a>)>;

/// Why a pickle is not read.
#[derive(Debug, PartialEq)]
pub(super) enum PickleError {
    /// It names what is none of a tensor's parts: the module and the name.
    Global(String),
    /// It is damaged, or does what no file of tensors does.
    Broken(&'static str),
}

/// The dictionaries within a checkpoint that hold a network's tensors.
const NETWORKS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    Dictionary,
    Tensor,
    Parameter,
    Storage(Numbers),
}

impl Global {
    pub(super) fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::Dictionary,
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter") => Self::Parameter,
            ("torch", "BFloat16Storage") => Self::Storage(Numbers::Bf16),
            ("torch", "HalfStorage") => Self::Storage(Numbers::F16),
            ("torch", "FloatStorage") => Self::Storage(Numbers::F32),
            ("torch", "DoubleStorage") => Self::Storage(Numbers::F64),
            ("torch", "ByteStorage") => Self::Storage(Numbers::Other { name: "u8", size: 1 }),
            ("torch", "CharStorage") => Self::Storage(Numbers::Other { name: "i8", size: 1 }),
            ("torch", "BoolStorage") => Self::Storage(Numbers::Other { name: "bool", size: 1 }),
            ("torch", "ShortStorage") => Self::Storage(Numbers::Other { name: "i16", size: 2 }),
            ("torch", "IntStorage") => Self::Storage(Numbers::Other { name: "i32", size: 4 }),
            ("torch", "LongStorage") => Self::Storage(Numbers::Other { name: "i64", size: 8 }),
            _ => return None,
        })
    }
}

/// What lies on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// None, true, false, a number with a point: what no tensor is made of.
    Nothing,
    Mark,
    Int(i64),
    Text(&'a str),
    Global(Global),
    /// By its place in the list of objects.
    Object(usize),
}

/// What items refer to.
#[derive(Clone, Debug)]
pub(super) enum Object<'a> {
    Tuple(Vec<Item<'a>>),
    List(Vec<Item<'a>>),
    Dictionary(Vec<(Item<'a>, Item<'a>)>),
    Storage { numbers: Numbers, name: &'a str },
    Tensor(TensorPlace<'a>),
}

/// What a pickle has made.
pub(super) struct Objects<'a> {
    pub(super) objects: Vec<Object<'a>>,
    /// The bytes of the pickle.
    pub(super) length: usize,
}

impl<'a> Objects<'a> {
    pub(super) fn make(&mut self, object: Object<'a>) -> Item<'a> {
        self.objects.push(object);
        Item::Object(self.objects.len() - 1)
    }

    pub(super) fn get(&self, item: Item<'a>) -> Option<&Object<'a>> {
        match item {
            Item::Object(place) => self.objects.get(place),
            _ => None,
        }
    }

    /// What a tuple or a list holds.
    pub(super) fn items(&self, item: Item<'a>) -> Option<&[Item<'a>]> {
        match self.get(item) {
            Some(Object::Tuple(items) | Object::List(items)) => Some(items),
            _ => None,
        }
    }

    /// The tensors of a dictionary, or of a network's within it.
    pub(super) fn tensors(&self, dictionary: Item<'a>) -> Result<TensorPlaces<'a>, PickleError> {
        let entries = |item| match self.get(item) {
            Some(Object::Dictionary(entries)) => Some(entries),
            _ => None,
        };
        let mut found = entries(dictionary).ok_or(PickleError::Broken("it is not a dictionary of tensors"))?;
        // A dictionary may hold itself, so there is an end to looking into them.
        for _ in 0..NETWORKS.len() {
            let is_network =
                |(name, _): &&(Item<'_>, Item<'_>)| matches!(name, Item::Text(name) if NETWORKS.contains(name));
            found = found.iter().filter(is_network).find_map(|(_, item)| entries(*item)).unwrap_or(found);
        }
        let tensor = |(name, item): &(Item<'a>, Item<'a>)| match (name, self.get(*item)) {
            (Item::Text(name), Some(Object::Tensor(place))) => Some((*name, place.clone())),
            _ => None,
        };
        let tensors: TensorPlaces<'a> = found.iter().filter_map(tensor).collect();
        // The names of a dictionary differ, so that the pickle holds all of them.
        match tensors.iter().map(|(name, _)| name.len()).sum::<usize>() <= self.length {
            true => Ok(tensors),
            false => Err(PickleError::Broken("it gives one name to many tensors")),
        }
    }
}
