//! The few pickle instructions that a state dict needs (protocol 2), interpreted without Python.
//!
//! Values live in one arena and refer to each other by number, so that neither sharing nor cycles cost time or
//! memory beyond the length of the program. Reference: Python's `pickletools`.

use std::collections::{HashMap, HashSet};

use super::reader::Reader;
use super::value::{Global, Id, Storage, Tensor, Value};
use super::{Fault, MOST_DIMENSIONS, Unsupported};

/// The tensors and the other entries of a state dict.
pub(super) struct StateDict<'a> {
    /// Name and description of each tensor, in the order of the file.
    pub tensors: Vec<(String, Tensor<'a>)>,
    /// Names of the entries that are no tensors.
    pub ignored: Vec<String>,
}

// Instructions, by the names that `pickletools` gives them.
const STOP: u8 = b'.';
const PROTO: u8 = 0x80;
const NONE: u8 = b'N';
const NEWTRUE: u8 = 0x88;
const NEWFALSE: u8 = 0x89;
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const BININT: u8 = b'J';
const LONG1: u8 = 0x8a;
const BINFLOAT: u8 = b'G';
const BINUNICODE: u8 = b'X';
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
const SETITEM: u8 = b's';
const SETITEMS: u8 = b'u';
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';
const BINGET: u8 = b'h';
const LONG_BINGET: u8 = b'j';
const BINPERSID: u8 = b'Q';
const REDUCE: u8 = b'R';
const BUILD: u8 = b'b';

/// Interprets `program` and takes its result apart as a state dict.
pub(super) fn state_dict(program: &[u8]) -> Result<StateDict<'_>, Fault> {
    let mut machine = Machine {
        reader: Reader::new(program),
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let result = machine.run()?;
    let not_a_dict = |found, inner| Err(Fault::Unsupported(Unsupported::NotAStateDict { found, inner }));

    let Value::Dict(items) = machine.value(result)? else {
        return not_a_dict(machine.value(result)?.kind(), None);
    };
    let mut state = StateDict { tensors: Vec::new(), ignored: Vec::new() };
    let mut names = HashSet::new();
    // Many names may share one long dict: each is searched once.
    let mut searched = HashSet::new();
    for &(key, value) in items {
        let Value::Text(name) = machine.value(key)? else {
            return not_a_dict("a dict whose keys are not all text", None);
        };
        if !names.insert(name) {
            return Err(Fault::malformed("data.pkl", format!("{name} twice"), "names that differ"));
        }
        match machine.value(value)? {
            Value::Tensor(tensor) => state.tensors.push((name.to_string(), tensor.as_ref().clone())),
            // Modules may keep what they like in their extra state; elsewhere a dict means a checkpoint.
            Value::Dict(inner)
                if !name.ends_with("_extra_state")
                    && searched.insert(value)
                    && inner.iter().any(|&(_, item)| matches!(machine.value(item), Ok(Value::Tensor(_)))) =>
            {
                return not_a_dict("a training checkpoint", Some(name.to_string()));
            }
            _ => state.ignored.push(name.to_string()),
        }
    }
    if state.tensors.is_empty() {
        return not_a_dict("a dict without tensors", None);
    }
    Ok(state)
}

struct Machine<'a> {
    reader: Reader<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which its marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let offset = self.reader.offset();
            match self.reader.byte()? {
                STOP => return self.pop(),
                PROTO => match self.reader.byte()? {
                    2 => {}
                    _ => return Err(Fault::Unsupported(Unsupported::Instruction { code: PROTO, offset })),
                },
                NONE => self.push(Value::None),
                NEWTRUE | NEWFALSE => self.push(Value::Bool),
                BININT1 => {
                    let [number] = self.reader.array()?;
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
                    let number = self.reader.long(length.into())?;
                    self.push(Value::Int(number));
                }
                BINFLOAT => {
                    self.reader.take(8)?;
                    self.push(Value::Float);
                }
                BINUNICODE => {
                    let length = u32::from_le_bytes(self.reader.array()?);
                    let text = self.reader.text(length as usize)?;
                    self.push(Value::Text(text));
                }
                GLOBAL => {
                    let (module, name) = (self.reader.line()?, self.reader.line()?);
                    let global = Global::named(module, name).ok_or_else(|| {
                        Fault::Unsupported(Unsupported::Global { name: format!("{module}.{name}") })
                    })?;
                    self.push(Value::Global(global));
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
                SETITEM => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.top_dict()?.push((key, value));
                }
                SETITEMS => {
                    let items = self.pop_to_mark()?;
                    let (pairs, rest) = items.as_chunks();
                    if !rest.is_empty() {
                        return Err(self.fault("a key without value", "pairs"));
                    }
                    self.top_dict()?.extend(pairs.iter().map(|&[key, value]| (key, value)));
                }
                BINPUT => {
                    let slot = self.reader.byte()?;
                    self.memoize(slot.into())?;
                }
                LONG_BINPUT => {
                    let slot = u32::from_le_bytes(self.reader.array()?);
                    self.memoize(slot)?;
                }
                BINGET => {
                    let slot = self.reader.byte()?;
                    self.recall(slot.into())?;
                }
                LONG_BINGET => {
                    let slot = u32::from_le_bytes(self.reader.array()?);
                    self.recall(slot)?;
                }
                BINPERSID => {
                    let reference = self.pop()?;
                    let storage = self.storage(reference)?;
                    self.push(Value::Storage(storage));
                }
                REDUCE => {
                    let (arguments, callable) = (self.pop()?, self.pop()?);
                    self.call(callable, arguments)?;
                }
                // State of an OrderedDict: what `state_dict()` notes about module versions.
                BUILD => {
                    self.pop()?;
                    self.top_dict()?;
                }
                code => return Err(Fault::Unsupported(Unsupported::Instruction { code, offset })),
            }
        }
    }

    /// Calls one of the known functions and pushes its result.
    fn call(&mut self, callable: Id, arguments: Id) -> Result<(), Fault> {
        let (Value::Global(global), Value::Tuple(arguments)) =
            (self.value(callable)?, self.value(arguments)?)
        else {
            return Err(self.fault("a call of something else", "a function and a tuple of arguments"));
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (
                Global::RebuildTensor,
                &[storage, offset, shape, strides, _gradient, _hooks, ref metadata @ ..],
            ) if metadata.len() <= 1 => {
                if let Some(&metadata) = metadata.first()
                    && !matches!(self.value(metadata)?, Value::None)
                {
                    return Err(Fault::Unsupported(Unsupported::LazyView));
                }
                let tensor = self.tensor(storage, offset, shape, strides)?;
                self.push(Value::Tensor(Box::new(tensor)));
            }
            (Global::RebuildParameter, &[data, _gradient, _hooks]) => match self.value(data)? {
                Value::Tensor(_) => self.stack.push(data),
                other => return Err(self.fault(other.kind(), "the tensor of a parameter")),
            },
            _ => return Err(self.fault("other arguments", "those of a known function")),
        }
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<Tensor<'a>, Fault> {
        let &Value::Storage(storage) = self.value(storage)? else {
            return Err(self.fault("a tensor without storage", "a storage"));
        };
        let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
        if shape.len() != strides.len() {
            return Err(self.fault("other dimensions in shape and strides", "as many of both"));
        }
        Ok(Tensor { storage, offset: self.size(offset)?, shape, strides })
    }

    /// The storage that a persistent id stands for.
    fn storage(&self, reference: Id) -> Result<Storage<'a>, Fault> {
        let wrong = || self.fault("another persistent id", "('storage', type, key, location, length)");
        let Value::Tuple(parts) = self.value(reference)? else { return Err(wrong()) };
        let &[tag, class, key, _location, elements] = parts.as_slice() else { return Err(wrong()) };
        match (self.value(tag)?, self.value(class)?, self.value(key)?) {
            (Value::Text("storage"), &Value::Global(Global::Storage(dtype)), &Value::Text(key)) => {
                Ok(Storage { dtype, key, elements: self.size(elements)? })
            }
            _ => Err(wrong()),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, Fault> {
        match self.value(id)? {
            // Checked before copying: many tensors may share one long tuple.
            Value::Tuple(items) if items.len() <= MOST_DIMENSIONS => {
                items.iter().map(|&item| self.size(item)).collect()
            }
            Value::Tuple(_) => Err(self.fault("a tensor of more dimensions", "at most 64")),
            other => Err(self.fault(other.kind(), "a tuple of sizes")),
        }
    }

    fn size(&self, id: Id) -> Result<usize, Fault> {
        match self.value(id)? {
            &Value::Int(number) => {
                usize::try_from(number).map_err(|_| self.fault("a negative size", "a size"))
            }
            other => Err(self.fault(other.kind(), "a size")),
        }
    }

    fn value(&self, id: Id) -> Result<&Value<'a>, Fault> {
        self.values.get(id).ok_or_else(|| self.fault("a value that was never made", "a value"))
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(self.values.len());
        self.values.push(value);
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
        let mut items = [0; N];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Value::Tuple(items.to_vec()));
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

    fn top_dict(&mut self) -> Result<&mut Vec<(Id, Id)>, Fault> {
        let top = self.top()?;
        match self.values.get_mut(top) {
            Some(Value::Dict(items)) => Ok(items),
            _ => Err(self.reader.fault("something else", "a dict")),
        }
    }

    fn top_list(&self) -> Result<(), Fault> {
        match self.value(self.top()?)? {
            Value::List => Ok(()),
            other => Err(self.fault(other.kind(), "a list")),
        }
    }

    fn memoize(&mut self, slot: u32) -> Result<(), Fault> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn recall(&mut self, slot: u32) -> Result<(), Fault> {
        let id = self.memo.get(&slot).copied().ok_or_else(|| self.fault("an empty memo", "a value"))?;
        self.stack.push(id);
        Ok(())
    }

    fn fault(&self, found: &str, expected: &'static str) -> Fault {
        self.reader.fault(found, expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSTRUCTIONS: &[u8] = &[
        STOP,
        PROTO,
        NONE,
        NEWTRUE,
        NEWFALSE,
        BININT1,
        BININT2,
        BININT,
        LONG1,
        BINFLOAT,
        BINUNICODE,
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
        SETITEM,
        SETITEMS,
        BINPUT,
        LONG_BINPUT,
        BINGET,
        LONG_BINGET,
        BINPERSID,
        REDUCE,
        BUILD,
    ];

    fn refused(program: &[u8]) -> Fault {
        state_dict(program).err().unwrap()
    }

    #[test]
    fn integers_have_a_sign_and_at_most_64_bits() {
        let number = |bytes: &[u8]| Reader::new(bytes).long(bytes.len());
        assert_eq!(number(&[]).unwrap(), 0);
        assert_eq!(number(&[0xff, 0x00]).unwrap(), 255);
        assert_eq!(number(&[0x00, 0xff]).unwrap(), -256);
        assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0x80]).unwrap(), i64::MIN);
        assert!(number(&[0; 9]).is_err());
    }

    #[test]
    fn a_global_is_refused_where_it_is_named_even_if_never_called() {
        let fault = refused(b"\x80\x02cposix\nsystem\nq\x00}.");
        assert!(matches!(fault, Fault::Unsupported(Unsupported::Global { name }) if name == "posix.system"));
    }

    #[test]
    fn a_dict_that_contains_itself_ends() {
        let program = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.";
        assert!(matches!(
            refused(program),
            Fault::Unsupported(Unsupported::NotAStateDict { inner: None, .. })
        ));
    }

    #[test]
    fn a_shape_of_many_dimensions_is_refused_before_it_is_copied() {
        let program = |dimensions: usize| {
            let mut program = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage".to_vec();
            program.extend(b"ctorch\nFloatStorage\nX\x01\x00\x00\x000NK\x01tQK\x00(");
            program.extend(b"K\x01".repeat(dimensions));
            program.extend(b"tq\x00h\x00\x89NtR.");
            program
        };
        // What remains is one tensor, which is no dict.
        assert!(matches!(refused(&program(64)), Fault::Unsupported(Unsupported::NotAStateDict { .. })));
        assert!(matches!(refused(&program(65)), Fault::Malformed { expected: "at most 64", .. }));
    }

    #[test]
    fn a_mark_guards_what_lies_below_it() {
        assert!(matches!(refused(b"N(."), Fault::Malformed { .. }));
        assert!(matches!(refused(b"NN(\x86"), Fault::Malformed { .. }));
        assert!(matches!(refused(b"t"), Fault::Malformed { .. }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn no_program_panics(program in prop::collection::vec(
            prop_oneof![4 => prop::sample::select(INSTRUCTIONS), 1 => 0..4u8], 0..60
        )) {
            let _ = state_dict(&program);
        }
    }
}
