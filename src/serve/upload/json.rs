//! JSON of a stranger, in memory that its text bounds.
//!
//! A tree of values would take twenty times the two bytes of `0,`, and the library's errors repeat whatever they did not
//! expect, however long it is. So here numbers in lists become bytes, all other values are counted, and each is taken as
//! it comes: whoever asks for one says what is wrong with it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::serve::error::{Code, HttpError};

/// A value of JSON.
#[derive(Debug, PartialEq)]
pub(in crate::serve) enum Json<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(Box<List<'a>>),
    /// Names, which are texts, and their values.
    Object(Vec<(Json<'a>, Json<'a>)>),
}

/// A list: its numbers, with those of the lists of numbers within it, and what else is in it. Which stood before which is
/// known only of a list that has one of both alone.
#[derive(Debug, Default, PartialEq)]
pub(in crate::serve) struct List<'a> {
    pub(in crate::serve) items: Vec<Json<'a>>,
    pub(in crate::serve) numbers: Numbers,
}

#[derive(Debug, Default, PartialEq)]
pub(in crate::serve) struct Numbers {
    /// Each number, or 0 where it is not a whole one from 0 to 255.
    pub(in crate::serve) bytes: Vec<u8>,
    /// Those that are not, with their places.
    pub(in crate::serve) others: Vec<(usize, f64)>,
}

impl Numbers {
    pub(in crate::serve) fn iter(&self) -> impl Iterator<Item = f64> {
        let mut others = self.others.iter().peekable();
        self.bytes.iter().enumerate().map(move |(at, &byte)| {
            others.next_if(|(place, _)| *place == at).map_or(f64::from(byte), |(_, number)| *number)
        })
    }

    /// Takes room for all samples that there can be, before the first: a list that grew would lie in memory twice.
    fn begin(&mut self, room: &Cell<usize>) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(room.take());
        }
    }

    /// Gives back the room that was not needed.
    fn end(&mut self, room: &Cell<usize>) {
        let reserved = self.bytes.capacity();
        self.bytes.shrink_to_fit();
        room.set(room.get() + (reserved - self.bytes.capacity()));
    }

    /// Takes a number; `false` where it takes more than a byte.
    fn push(&mut self, number: f64) -> bool {
        let is_byte = number.fract() == 0.0 && (0.0..=255.0).contains(&number);
        if !is_byte {
            self.others.push((self.bytes.len(), number));
        }
        self.bytes.push(if is_byte { number as u8 } else { 0 });
        is_byte
    }
}

impl<'a> Json<'a> {
    /// Reads a text that has at most so many values beside the bytes of lists.
    ///
    /// # Errors
    /// 400 where it is not JSON, 413 where it has more values.
    pub(in crate::serve) fn read(text: &'a [u8], most: usize) -> Result<Self, HttpError> {
        let (left, room) = (&Cell::new(most), &Cell::new(1 + text.iter().filter(|&&byte| byte == b',').count()));
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Reader { left, room, numbers: None }.deserialize(&mut reader);
        match value.and_then(|value| reader.end().map(|()| value)) {
            Ok(value) => Ok(value.unwrap_or(Self::Null)),
            // The one error that is not about the text.
            Err(error) if error.is_data() => {
                let detail = format!(
                    "The body's JSON has more than {most} values that are no samples of an image, whole numbers from 0 to \
                     255. Send fewer images at a time, as base64 or as samples."
                );
                Err(HttpError::new(Code::TooLarge, detail))
            }
            Err(error) => {
                let detail = format!("The body is not JSON that can be read: {error}. Let a library write it.");
                Err(HttpError::new(Code::BadRequest, detail))
            }
        }
    }

    /// Takes the value of a name out of an object. Of several the last one counts, as elsewhere, and null is none.
    pub(in crate::serve) fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(entries) = self else { return None };
        let at = entries.iter().rposition(|(its, _)| its.is(name))?;
        Some(entries.swap_remove(at).1).filter(|value| *value != Self::Null)
    }

    /// The first name of an object that is none of these.
    pub(in crate::serve) fn other_name(&self, names: &[&str]) -> Option<&str> {
        let Self::Object(entries) = self else { return None };
        entries.iter().find_map(|(its, _)| match its {
            Self::Text(its) if !names.contains(&&**its) => Some(&**its),
            _ => None,
        })
    }

    fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(its) if its == text)
    }
}

/// Reads one value, or adds it to the numbers of the list around it and gives none.
struct Reader<'r> {
    /// How many more values there may be.
    left: &'r Cell<usize>,
    /// For how many samples no list has taken room yet, by the commas of the text.
    room: &'r Cell<usize>,
    /// Of the list that this one is in.
    numbers: Option<&'r mut Numbers>,
}

impl Reader<'_> {
    fn count<E: Error>(&self) -> Result<(), E> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        self.left.set(left);
        Ok(())
    }

    fn value<'de, E: Error>(&self, value: Json<'de>) -> Result<Option<Json<'de>>, E> {
        self.count()?;
        Ok(Some(value))
    }

    fn number<'de, E: Error>(self, number: f64) -> Result<Option<Json<'de>>, E> {
        let Self { left, room, numbers: Some(numbers) } = self else { return self.value(Json::Number(number)) };
        numbers.begin(room);
        if !numbers.push(number) {
            Reader { left, room, numbers: None }.count()?;
        }
        Ok(None)
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Option<Json<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Option<Json<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.value(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.value(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // As below, for the millions of samples that there may be.
        match self {
            Self { numbers: Some(numbers), room, .. } if value <= 255 => {
                numbers.begin(room);
                numbers.bytes.push(value as u8);
                Ok(None)
            }
            _ => self.number(value as f64),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.number(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.number(value)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        self.value(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.value(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        let (left, room, mut own, mut items) = (self.left, self.room, Numbers::default(), Vec::new());
        let is_within = self.numbers.is_some();
        let numbers = self.numbers.take().unwrap_or(&mut own);
        let before = numbers.bytes.len();
        while let Some(item) = list.next_element_seed(Reader { left, room, numbers: Some(&mut *numbers) })? {
            items.extend(item);
        }
        if is_within && items.is_empty() && numbers.bytes.len() > before {
            return Ok(None);
        }
        own.end(room);
        self.value(Json::List(Box::new(List { items, numbers: own })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let alone = || Reader { left: self.left, room: self.room, numbers: None };
        while let Some(name) = map.next_key_seed(alone())? {
            let value = map.next_value_seed(alone())?;
            entries.extend(name.zip(value));
        }
        self.value(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        Json::read(text.as_bytes(), 100).unwrap()
    }

    #[test]
    fn values_are_as_in_the_text_and_samples_are_bytes() {
        let mut object = read(r#" {"a": null, "b": "xy", "c": "x\/", "d": -1.5, "a": true, "e": {"f": []}} "#);
        assert_eq!(object.take("a"), Some(Json::Bool(true)), "the last one counts");
        assert_eq!((object.take("a"), object.take("z")), (None, None), "null is none");
        assert!(matches!(object.take("b"), Some(Json::Text(Cow::Borrowed("xy")))));
        assert!(matches!(object.take("c"), Some(Json::Text(Cow::Owned(text))) if text == "x/"));
        assert_eq!(object.take("d"), Some(Json::Number(-1.5)));
        assert_eq!(object.other_name(&["d"]), Some("e"));
        assert_eq!(object.other_name(&["e"]), None);

        let Json::List(list) = read("[[[0, 255], [7.0]], [256, -1, 0.5], 3]") else { panic!() };
        assert_eq!((list.items.len(), &list.numbers.bytes[..]), (0, &[0, 255, 7, 0, 0, 0, 3][..]));
        assert_eq!(list.numbers.iter().collect::<Vec<_>>(), [0.0, 255.0, 7.0, 256.0, -1.0, 0.5, 3.0]);
        let Json::List(list) = read(r#"[[1, "a"], [], 2, ["b", ["c"]]]"#) else { panic!() };
        assert_eq!((list.items.len(), &list.numbers.bytes[..]), (3, &[1, 2][..]));
        let samples = format!("[{}0]", "[1,2,3],".repeat(1000));
        assert!(matches!(Json::read(samples.as_bytes(), 1), Ok(Json::List(list)) if list.numbers.bytes.len() == 3001));
    }

    #[test]
    fn what_is_no_json_and_what_has_too_many_values_is_refused() {
        let refused = |text: &str| Json::read(text.as_bytes(), 3).map(drop).map_err(|error| (error.code, error.detail));
        for bad in ["", "{", "[1,", "nul", "1 2", "{\"a\"}", "\"\\ud800\"", "[NaN]", "[1e999]", &"[".repeat(200)] {
            let (code, detail) = refused(bad).unwrap_err();
            assert_eq!(code, Code::BadRequest, "{bad}");
            assert!(detail.contains(" at line 1 column ") && detail.ends_with('.'), "{detail}");
        }
        for many in ["[\"\",\"\",\"\"]", "[[],[],[]]", "[256,-1,.5,1]", "{\"a\":1,\"b\":2}", "[{},{},{}]"] {
            let many = many.replace(",.5", ",0.5");
            assert!(matches!(refused(&many), Err((Code::TooLarge, _))), "{many}");
        }
        assert!(refused("[\"\",\"\"]").is_ok());
    }
}
