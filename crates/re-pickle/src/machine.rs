//! The instructions that build plain values.

use std::collections::HashMap;
use std::convert::Infallible;

use crate::fault::Fault;
use crate::reader::Reader;
use crate::value::{Id, Value, Values};

// Instructions, by the names that `pickletools` gives them.
const STOP: u8 = b'.';
const PROTO: u8 = 0x80;
const FRAME: u8 = 0x95;
const NONE: u8 = b'N';
const NEWTRUE: u8 = 0x88;
const NEWFALSE: u8 = 0x89;
const INT: u8 = b'I';
const LONG: u8 = b'L';
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const BININT: u8 = b'J';
const LONG1: u8 = 0x8a;
const BINFLOAT: u8 = b'G';
const UNICODE: u8 = b'V';
const SHORT_BINUNICODE: u8 = 0x8c;
const BINUNICODE: u8 = b'X';
const BINUNICODE8: u8 = 0x8d;
const GLOBAL: u8 = b'c';
const MARK: u8 = b'(';
const EMPTY_TUPLE: u8 = b')';
const TUPLE1: u8 = 0x85;
const TUPLE2: u8 = 0x86;
const TUPLE3: u8 = 0x87;
const TUPLE: u8 = b't';
const EMPTY_LIST: u8 = b']';
const APPEND: u8 = b'a';
const APPENDS: u8 = b'e';
const EMPTY_DICT: u8 = b'}';
const DICT: u8 = b'd';
const SETITEM: u8 = b's';
const SETITEMS: u8 = b'u';
const PUT: u8 = b'p';
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const MEMOIZE: u8 = 0x94;
const GET: u8 = b'g';
const BINGET: u8 = b'h';
const LONG_BINGET: u8 = b'j';
const BINPERSID: u8 = b'Q';
const REDUCE: u8 = b'R';
const BUILD: u8 = b'b';

/// What the classes, functions and references of a program stand for.
pub trait Objects<'a> {
    /// Something that is no plain value.
    type Object;
    /// Why a program cannot be read.
    type Fault: From<Fault>;

    /// Whether programs of this protocol are read.
    fn takes(&self, protocol: u8) -> bool;

    /// What a function or class stands for.
    ///
    /// # Errors
    /// Whatever says that it is not known, such as [`Fault::Global`].
    fn global(&mut self, module: &'a str, name: &'a str) -> Result<Self::Object, Self::Fault>;

    /// What a call gives.
    ///
    /// # Errors
    /// Whatever says that it is not known.
    fn call(
        &mut self,
        values: &Values<'a, Self::Object>,
        callable: Id,
        arguments: Id,
    ) -> Result<Called<'a, Self::Object>, Self::Fault>;

    /// What stands outside the program under the name `reference`.
    ///
    /// # Errors
    /// Whatever says that it is not known.
    fn persistent(
        &mut self,
        values: &Values<'a, Self::Object>,
        reference: Id,
    ) -> Result<Self::Object, Self::Fault>;
}

/// What a call gives.
#[derive(Debug)]
pub enum Called<'a, O> {
    /// A new value.
    New(Value<'a, O>),
    /// A value that is there already.
    Known(Id),
}

/// No objects at all: for programs that hold plain values, in any protocol.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl<'a> Objects<'a> for Plain {
    type Object = Infallible;
    type Fault = Fault;

    fn takes(&self, _: u8) -> bool {
        true
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<Infallible, Fault> {
        Err(Fault::Global { name: format!("{module}.{name}") })
    }

    fn call(
        &mut self,
        values: &Values<'a, Infallible>,
        _: Id,
        _: Id,
    ) -> Result<Called<'a, Infallible>, Fault> {
        Err(values.fault("a call", "plain values"))
    }

    fn persistent(&mut self, values: &Values<'a, Infallible>, _: Id) -> Result<Infallible, Fault> {
        Err(values.fault("a reference to something outside", "plain values"))
    }
}

/// The values that `program` makes, and the one that is its result.
///
/// # Errors
/// [`Fault`] where the program is damaged or has other instructions; those of `objects`.
pub fn read<'a, O: Objects<'a>>(
    program: &'a [u8],
    objects: &mut O,
) -> Result<(Values<'a, O::Object>, Id), O::Fault> {
    let mut machine = Machine {
        reader: Reader::new(program),
        values: Values::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let result = machine.run(objects)?;
    Ok((machine.values, result))
}

struct Machine<'a, O> {
    reader: Reader<'a>,
    values: Values<'a, O>,
    stack: Vec<Id>,
    /// Heights of the stack at which its marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a, O> Machine<'a, O> {
    fn run<F: From<Fault>>(
        &mut self,
        objects: &mut impl Objects<'a, Object = O, Fault = F>,
    ) -> Result<Id, F> {
        loop {
            let offset = self.reader.offset();
            match self.reader.byte()? {
                STOP => return Ok(self.pop()?),
                PROTO => {
                    if !objects.takes(self.reader.byte()?) {
                        return Err(Fault::Instruction { code: PROTO, offset }.into());
                    }
                }
                GLOBAL => {
                    let (module, name) = (self.reader.line_of_text()?, self.reader.line_of_text()?);
                    let object = objects.global(module, name)?;
                    self.push(Value::Object(object));
                }
                BINPERSID => {
                    let reference = self.pop()?;
                    self.values.offset = self.reader.offset();
                    let object = objects.persistent(&self.values, reference)?;
                    self.push(Value::Object(object));
                }
                REDUCE => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    self.values.offset = self.reader.offset();
                    match objects.call(&self.values, callable, arguments)? {
                        Called::New(value) => self.push(value),
                        Called::Known(id) => self.stack.push(id),
                    }
                }
                code => self.step(code, offset)?,
            }
        }
    }

    /// Executes an instruction for which no caller is asked.
    fn step(&mut self, code: u8, offset: usize) -> Result<(), Fault> {
        match code {
            // The length of what follows: nothing to do.
            FRAME => drop(self.reader.take(8)?),
            NONE => self.push(Value::None),
            NEWTRUE | NEWFALSE => self.push(Value::Bool),
            INT | LONG => {
                let number = self.reader.decimal()?;
                self.push(Value::Int(number));
            }
            BININT1 => {
                let number = self.reader.byte()?;
                self.push(Value::Int(number.into()));
            }
            BININT2 => {
                let number = u16::from_le_bytes(self.reader.array()?);
                self.push(Value::Int(number.into()));
            }
            BININT => {
                let number = i32::from_le_bytes(self.reader.array()?);
                self.push(Value::Int(number.into()));
            }
            LONG1 => {
                let length = self.reader.byte()?;
                let number = self.reader.long(length)?;
                self.push(Value::Int(number));
            }
            BINFLOAT => {
                self.reader.take(8)?;
                self.push(Value::Float);
            }
            UNICODE => {
                let text = self.reader.escaped_text()?;
                self.push(Value::Text(text.into()));
            }
            SHORT_BINUNICODE | BINUNICODE | BINUNICODE8 => {
                let length = match code {
                    SHORT_BINUNICODE => self.reader.byte()?.into(),
                    BINUNICODE => u32::from_le_bytes(self.reader.array()?).into(),
                    _ => u64::from_le_bytes(self.reader.array()?),
                };
                let text = self.reader.text(length)?;
                self.push(Value::Text(text.into()));
            }
            MARK => self.marks.push(self.stack.len()),
            EMPTY_TUPLE => self.push(Value::Tuple(Vec::new())),
            TUPLE1 => self.tuple::<1>()?,
            TUPLE2 => self.tuple::<2>()?,
            TUPLE3 => self.tuple::<3>()?,
            TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items));
            }
            EMPTY_LIST => self.push(Value::List),
            APPEND => {
                self.pop()?;
                self.top_list()?;
            }
            APPENDS => {
                self.pop_to_mark()?;
                self.top_list()?;
            }
            EMPTY_DICT => self.push(Value::Dict(Vec::new())),
            DICT => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            PUT | BINPUT | LONG_BINPUT | MEMOIZE => {
                let slot = match code {
                    PUT => self.reader.decimal()?,
                    BINPUT => self.reader.byte()?.into(),
                    LONG_BINPUT => u32::from_le_bytes(self.reader.array()?),
                    _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
                };
                let top = self.top()?;
                self.memo.insert(slot, top);
            }
            GET | BINGET | LONG_BINGET => {
                let slot = match code {
                    GET => self.reader.decimal()?,
                    BINGET => self.reader.byte()?.into(),
                    _ => u32::from_le_bytes(self.reader.array()?),
                };
                let known = self.memo.get(&slot).copied();
                self.stack.push(known.ok_or_else(|| self.fault("an empty memo", "a value"))?);
            }
            // State of a dict's subclass, such as what a `state_dict()` notes about module versions.
            BUILD => {
                self.pop()?;
                self.set(&[])?;
            }
            code => return Err(Fault::Instruction { code, offset }),
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'a, O>) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    /// Height below which the instructions since the last mark may not reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let top = if self.stack.len() > self.floor() { self.stack.pop() } else { None };
        top.ok_or_else(|| self.fault("an empty stack", "a value"))
    }

    fn tuple<const N: usize>(&mut self) -> Result<(), Fault> {
        let mut items = Vec::with_capacity(N);
        for _ in 0..N {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.drain(mark.min(self.stack.len())..).collect()),
            None => Err(self.fault("no mark", "a mark on the stack")),
        }
    }

    fn top(&self) -> Result<Id, Fault> {
        let above = self.stack.get(self.floor()..).unwrap_or_default();
        above.last().copied().ok_or_else(|| self.fault("an empty stack", "a value"))
    }

    /// Adds keys and values, in turn, to the dict on top of the stack.
    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err(self.fault("a key without value", "pairs"));
        }
        let (top, offset) = (self.top()?, self.reader.offset());
        let dict = self.values.dict_mut(top).ok_or(Fault::Malformed {
            offset,
            found: "something else".to_owned(),
            expected: "a dict",
        })?;
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn top_list(&self) -> Result<(), Fault> {
        match self.values.value(self.top()?) {
            Value::List => Ok(()),
            other => Err(self.fault(other.kind(), "a list")),
        }
    }

    fn fault(&self, found: &str, expected: &'static str) -> Fault {
        Fault::Malformed { offset: self.reader.offset(), found: found.to_owned(), expected }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSTRUCTIONS: &[u8] = &[
        STOP,
        PROTO,
        FRAME,
        NONE,
        NEWTRUE,
        NEWFALSE,
        INT,
        LONG,
        BININT1,
        BININT2,
        BININT,
        LONG1,
        BINFLOAT,
        UNICODE,
        SHORT_BINUNICODE,
        BINUNICODE,
        BINUNICODE8,
        GLOBAL,
        MARK,
        EMPTY_TUPLE,
        TUPLE1,
        TUPLE2,
        TUPLE3,
        TUPLE,
        EMPTY_LIST,
        APPEND,
        APPENDS,
        EMPTY_DICT,
        DICT,
        SETITEM,
        SETITEMS,
        PUT,
        BINPUT,
        LONG_BINPUT,
        MEMOIZE,
        GET,
        BINGET,
        LONG_BINGET,
        BINPERSID,
        REDUCE,
        BUILD,
        b'\n',
        b'1',
    ];

    fn refused(program: &[u8]) -> Fault {
        read(program, &mut Plain).map(drop).unwrap_err()
    }

    #[test]
    fn a_global_is_refused_where_it_is_named_even_if_never_called() {
        let fault = refused(b"\x80\x02cposix\nsystem\nq\x00}.");
        assert!(matches!(fault, Fault::Global { name } if name == "posix.system"));
    }

    #[test]
    fn a_dict_that_contains_itself_ends() {
        let (values, root) = read(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.", &mut Plain).unwrap();
        let Value::Dict(items) = values.value(root) else { panic!("{values:?}") };
        assert!(matches!(items.as_slice(), &[(_, inner)] if inner == root));
    }

    #[test]
    fn a_mark_guards_what_lies_below_it() {
        for program in [b"N(.".as_slice(), b"NN(\x86", b"t", b"}(NNs."] {
            assert!(matches!(refused(program), Fault::Malformed { .. }), "{program:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn no_program_panics(program in prop::collection::vec(
            prop_oneof![4 => prop::sample::select(INSTRUCTIONS), 1 => 0..4u8], 0..60
        )) {
            let _ = read(&program, &mut Plain);
        }
    }
}
