//! A state dict out of the pickle (protocol 2) that describes it.

use std::borrow::Cow;
use std::collections::HashSet;

use re_pickle::{Called, Id, Objects, Value, Values};

use super::value::{Global, Object, Storage, Tensor};
use super::{Fault, MOST_DIMENSIONS, Unsupported};

/// The tensors and the other entries of a state dict.
pub(super) struct StateDict<'a> {
    /// Name and description of each tensor, in the order of the file.
    pub tensors: Vec<(String, Tensor<'a>)>,
    /// Names of the entries that are no tensors.
    pub ignored: Vec<String>,
}

/// Interprets `program` and takes its result apart as a state dict.
pub(super) fn state_dict(program: &[u8]) -> Result<StateDict<'_>, Fault> {
    let (values, result) = re_pickle::read(program, &mut Tensors)?;
    let not_a_dict = |found, inner| Err(Fault::Unsupported(Unsupported::NotAStateDict { found, inner }));

    let Value::Dict(items) = values.value(result) else {
        return not_a_dict(kind(values.value(result)), None);
    };
    let is_tensor = |id: Id| matches!(values.value(id), Value::Object(Object::Tensor(_)));
    let mut state = StateDict { tensors: Vec::new(), ignored: Vec::new() };
    let mut names = HashSet::new();
    // Many names may share one long dict: each is searched once.
    let mut searched = HashSet::new();
    for &(key, value) in items {
        let Value::Text(name) = values.value(key) else {
            return not_a_dict("a dict whose keys are not all text", None);
        };
        if !names.insert(name) {
            return Err(Fault::malformed("data.pkl", format!("{name} twice"), "names that differ"));
        }
        match values.value(value) {
            Value::Object(Object::Tensor(tensor)) => {
                state.tensors.push((name.to_string(), tensor.as_ref().clone()));
            }
            // Modules may keep what they like in their extra state; elsewhere a dict means a checkpoint.
            Value::Dict(inner)
                if !name.ends_with("_extra_state")
                    && searched.insert(value)
                    && inner.iter().any(|&(_, item)| is_tensor(item)) =>
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

impl From<re_pickle::Fault> for Fault {
    fn from(fault: re_pickle::Fault) -> Self {
        match fault {
            re_pickle::Fault::Malformed { offset, found, expected } => {
                Self::malformed(format!("data.pkl before byte {offset}"), found, expected)
            }
            re_pickle::Fault::Instruction { code, offset } => {
                Self::Unsupported(Unsupported::Instruction { code, offset })
            }
            re_pickle::Fault::Global { name } => Self::Unsupported(Unsupported::Global { name }),
            other => Self::malformed("data.pkl", other.to_string(), "a pickle of torch.save"),
        }
    }
}

/// What the functions of a state dict make: tensors.
struct Tensors;

type TensorValues<'a> = Values<'a, Object<'a>>;

impl<'a> Objects<'a> for Tensors {
    type Object = Object<'a>;
    type Fault = Fault;

    fn takes(&self, protocol: u8) -> bool {
        protocol == 2
    }

    fn global(&mut self, module: &'a str, name: &'a str) -> Result<Object<'a>, Fault> {
        let refused = || Fault::Unsupported(Unsupported::Global { name: format!("{module}.{name}") });
        Global::named(module, name).map(Object::Global).ok_or_else(refused)
    }

    fn call(
        &mut self,
        values: &TensorValues<'a>,
        callable: Id,
        arguments: Id,
    ) -> Result<Called<'a, Object<'a>>, Fault> {
        let (Value::Object(Object::Global(global)), Value::Tuple(arguments)) =
            (values.value(callable), values.value(arguments))
        else {
            let expected = "a function and a tuple of arguments";
            return Err(values.fault("a call of something else", expected).into());
        };
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Ok(Called::New(Value::Dict(Vec::new()))),
            (
                Global::RebuildTensor,
                &[storage, offset, shape, strides, _gradient, _hooks, ref metadata @ ..],
            ) if metadata.len() <= 1 => {
                if metadata.iter().any(|&metadata| !matches!(values.value(metadata), Value::None)) {
                    return Err(Fault::Unsupported(Unsupported::LazyView));
                }
                let tensor = tensor(values, [storage, offset, shape, strides])?;
                Ok(Called::New(Value::Object(Object::Tensor(Box::new(tensor)))))
            }
            (Global::RebuildParameter, &[data, _gradient, _hooks]) => match values.value(data) {
                Value::Object(Object::Tensor(_)) => Ok(Called::Known(data)),
                other => Err(values.fault(kind(other), "the tensor of a parameter").into()),
            },
            _ => Err(values.fault("other arguments", "those of a known function").into()),
        }
    }

    /// The storage that a persistent id stands for.
    fn persistent(&mut self, values: &TensorValues<'a>, reference: Id) -> Result<Object<'a>, Fault> {
        let wrong =
            || values.fault("another persistent id", "('storage', type, key, location, length)").into();
        let Value::Tuple(parts) = values.value(reference) else { return Err(wrong()) };
        let &[tag, class, key, _location, elements] = parts.as_slice() else { return Err(wrong()) };
        match (values.value(tag), values.value(class), values.value(key)) {
            (
                Value::Text(tag),
                &Value::Object(Object::Global(Global::Storage(dtype))),
                &Value::Text(Cow::Borrowed(key)),
            ) if tag == "storage" => {
                Ok(Object::Storage(Storage { dtype, key, elements: size(values, elements)? }))
            }
            _ => Err(wrong()),
        }
    }
}

fn tensor<'a>(
    values: &TensorValues<'a>,
    [storage, offset, shape, strides]: [Id; 4],
) -> Result<Tensor<'a>, Fault> {
    let &Value::Object(Object::Storage(storage)) = values.value(storage) else {
        return Err(values.fault("a tensor without storage", "a storage").into());
    };
    let (shape, strides) = (sizes(values, shape)?, sizes(values, strides)?);
    if shape.len() != strides.len() {
        return Err(values.fault("other dimensions in shape and strides", "as many of both").into());
    }
    Ok(Tensor { storage, offset: size(values, offset)?, shape, strides })
}

fn sizes(values: &TensorValues<'_>, id: Id) -> Result<Vec<usize>, Fault> {
    match values.value(id) {
        // Checked before copying: many tensors may share one long tuple.
        Value::Tuple(items) if items.len() <= MOST_DIMENSIONS => {
            items.iter().map(|&item| size(values, item)).collect()
        }
        Value::Tuple(_) => Err(values.fault("a tensor of more dimensions", "at most 64").into()),
        other => Err(values.fault(kind(other), "a tuple of sizes").into()),
    }
}

fn size(values: &TensorValues<'_>, id: Id) -> Result<usize, Fault> {
    match values.value(id) {
        &Value::Int(number) => {
            usize::try_from(number).map_err(|_| values.fault("a negative size", "a size").into())
        }
        other => Err(values.fault(kind(other), "a size").into()),
    }
}

/// What a value is, for messages.
fn kind(value: &Value<'_, Object<'_>>) -> &'static str {
    match value {
        Value::Object(Object::Global(_)) => "a function or class",
        Value::Object(Object::Storage(_)) => "a storage",
        Value::Object(Object::Tensor(_)) => "a tensor",
        other => other.kind(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &[u8]) -> Fault {
        state_dict(program).err().unwrap()
    }

    #[test]
    fn a_dict_that_contains_itself_is_no_state_dict() {
        let fault = refused(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.");
        assert!(matches!(fault, Fault::Unsupported(Unsupported::NotAStateDict { inner: None, .. })));
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
}
