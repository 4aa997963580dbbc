"""What to do about the error with which a student's function stopped."""

import re

from kits_msan.course.exercises.exercise import Exercise

LINE = 200  # characters of an error's text that are shown
ANYTHING = "Call it yourself on this input, and look at the shapes and types on the way."
KINDS = {
    "NameError": "Is the name spelled right, and was the cell that defines it run?",
    "UnboundLocalError": "It uses a name before that has a value; look at what stands inside `if` or a loop.",
    "IndexError": "An index lies outside the array: Python counts from 0.",
    "KeyError": "It looks up a key that does not exist; a table of examples does not hold for every input.",
    "UFuncTypeError": "The array holds whole numbers and cannot store fractions; make it float first: "
    "x = x.astype(float).",
    "AttributeError": "Look at what this thing is: print(type(...)) helps.",
    "ZeroDivisionError": "It divides by zero for this input.",
    "RecursionError": "It calls itself without an end.",
    "AssertionError": "An assert does not hold for this input.",
    "SystemExit": "It ends Python; end a function with return.",
}
NO_LIBRARY = "This library is not installed here; NumPy, SciPy, pandas and torch are."
SIZES = "Two things of different sizes meet here; print the shapes of both before this line."
ONE_NUMBER = "`math`, int() and float() take one number; for arrays take NumPy's np.exp, np.sqrt and so on."
WHOLE = "An index must be a whole number: use // in place of /, or int(...)."
NO_ARRAY = "Lists and tuples cannot be calculated with; make an array first: np.array(...)."
TUPLE = "A tuple cannot be changed; make a list of it, such as [*index, 1]."
TYPES = (
    "Torch does not mix kinds of numbers: a layer holds float32, NumPy's arrays are float64, and whole numbers are "
    "int64. Make all float32: x.float(), or dtype=torch.float32."
)
TOO_MANY = "There are more axes than a layer of torch takes: torch.stack adds one, and torch.cat joins along one."
WANTS = re.compile(r"(\d)D \(batch.*\[([\d, ]+)\]")  # of axes, at most, and the sizes of those that there are
AXES = "A layer of torch wants axes for the batch and the channels too, (N, C, ...): x[None, None] adds two."
APART = "Two tensors with different numbers of axes meet here. To a list, `+=` adds a tensor's parts; use append."
TENSORS = "Torch takes tensors, and NumPy arrays: torch.tensor(x) and x.numpy() go from one to the other."
NOTHING_GIVEN = "Something is None here: list.append and print give None, and so does a function without return."
NOTHING = "It looks for the largest or smallest of nothing: the step before found nothing."
SMALL = "This kind of whole number is too small for it; make the array float first: x = x.astype(float)."
NO_MINUS = "True and False have no minus: ~mask turns a mask round, and 1 * mask makes 1 and 0 of it."
NO_AXIS = "There is no such axis: they count from 0, so an array of two axes has 0 and 1. Print its shape."
NO_FACTOR = "A number is no function. Is a * missing, as in 2 * (a + b), or are brackets too many, as in x.size()?"
NO_GPU = "All here is on the CPU: leave out .cuda() and device."
BLANK = re.compile(r"'ellipsis'|\bEllipsis\b|\b(?:type|not|got|argument) ellipsis\b|\([\w, ]*\bellipsis[,)]")
WORDS = {  # of an error's text
    "single ellipsis": "An index may hold `...` once; write : for each other axis.",
    "not compiled with": NO_GPU,
    "NVIDIA driver": NO_GPU,
    "on the same device": NO_GPU,
    "truth value of an array": "An `if` looks at one number, and this is a whole array: use a mask, np.where or "
    "np.clip, and & and | in place of `and` and `or`, with brackets around each comparison.",
    "Boolean value of Tensor": "An `if` looks at one number, and this is a whole tensor: use a mask or torch.where.",
    "numel() == 0": NOTHING,
    "zero-size": NOTHING,
    "empty sequence": NOTHING,
    "arg is an empty": NOTHING,
    "iterable argument is empty": NOTHING,
    "attempt to get argm": NOTHING,
    "boolean subtract": NO_MINUS,
    "boolean negative": NO_MINUS,
    "bool tensor": NO_MINUS,
    "for ^": "In Python ^ is no power; write **.",
    "bitwise_xor": "In Python ^ is no power; write **.",
    "with shapes (0,)": "`list += array` adds their numbers, as + does; put an array into a list with append.",
    "could not be broadcast": SIZES,
    "size of tensor a": SIZES,
    "core dimension": SIZES,
    "must have the same shape": SIZES,
    "input array dimensions": SIZES,
    "each tensor to be equal size": SIZES,
    "must match except in dimension": SIZES,
    "input arrays must have same number": "Arrays that are joined have as many axes each; brackets make an array of "
    "one number: [1].",
    "zero-dimensional arrays": "np.concatenate takes its arrays in one list: np.concatenate([a, b]).",
    "inhomogeneous": "An array has rows of one length. To put a number after those of x, write [*x, 1].",
    "for array of dimension": NO_AXIS,
    "Dimension out of range": NO_AXIS,
    "not aligned": SIZES,
    "shapes cannot be multiplied": SIZES,
    "cannot reshape": "A new shape must hold as many numbers as before; take its sizes from the array's own shape.",
    "boolean index did not match": "The mask and the array must have the same shape; print both shapes.",
    "only 0-dimensional arrays": ONE_NUMBER,
    "only length-1 arrays": ONE_NUMBER,
    "only size-1 arrays": ONE_NUMBER,
    "only one element tensors": ONE_NUMBER,
    "only integers, slices": WHOLE,
    "arrays used as indices must be": WHOLE,
    "slices, not tuple": "A list takes one index at a time, x[0][1]; an array takes several, np.array(x)[0, 1].",
    "only integer scalar arrays": "One whole number is wanted here, an index or an axis, and this is an array.",
    "invalid index to scalar": "[] takes a part of an array, and this is one number already.",
    "indices must be integers": WHOLE,
    "too many indices": "There are more indices than the array has axes; print its shape.",
    "Cannot interpret '": "The sizes of an array go into brackets of their own: np.zeros((3, 4)).",
    "[ModuleList] is missing": "A ModuleList holds several layers; take one of them by an index.",
    'required "forward"': "The method must have the name `forward`, and stand inside the class, below `__init__`.",
    "Module.__init__() call": "Begin `__init__` with super().__init__().",
    "'bitwise_": "`&` and `|` join masks only, and come before + and *; put brackets around each comparison.",
    "cannot be interpreted as an integer": "A whole number is wanted here: use // in place of /, or int(...).",
    "got (NoneType": NOTHING_GIVEN,
    "got (list,": "A layer takes one tensor, and this is a list; torch.cat(x, dim=1) joins the tensors in it.",
    "got (axis=tuple": "In torch max and min take one axis; amax and amin take several.",
    "return_types": "In torch max and min along an axis give two things; take .values of them, or amax and amin.",
    "must be Tensor": TENSORS,
    "invalid combination of arguments": TENSORS,
    "got Tensor": TENSORS,
    "NoneType": NOTHING_GIVEN,
    "expected scalar type": TYPES,
    "have the same dtype": TYPES,
    "have same dtype": TYPES,
    "type (float) should be the same": TYPES,
    "FloatTensor) should be the same": TYPES,
    "expected dtype": TYPES,
    "Found dtype": TYPES,
    "not implemented for '": TYPES,
    "tensor expected for input": AXES,
    "(unbatched) or": AXES,
    "same number of dimensions": APART,
    "object too deep": "np.bincount takes one row of numbers: x.ravel(), or one row at a time.",
    "'tuple' object has no attribute 'append'": TUPLE,
    "object has no attribute 'append'": "A list alone has append: begin with [], and make an array of it in the end.",
    "does not support item assignment": TUPLE,
    "to unpack": "There are more names than values, or fewer; write it for any number of them.",
    "cannot unpack": "One thing is not several; take its parts by their names, or by an index.",
    "can only concatenate": NO_ARRAY,
    "multiply sequence": NO_ARRAY,
    "'int' object is not callable": NO_FACTOR,
    "'float' object is not callable": NO_FACTOR,
    "object is not callable": "Round brackets call a function; a part of an array is taken with [].",
    "method'": "The brackets that call a function are missing: write x.sum(), not x.sum.",
    "object is not iterable": "Several things are wanted here, and this is one; range(n) counts from 0 to n - 1.",
    "has no len()": "Only what holds several things has a length; list(...) makes a list of a zip or a generator.",
    "unhashable": "A set, a dict or a Counter takes numbers, and no arrays: x.ravel().tolist() gives them.",
    "zip() argument": "With strict=True zip wants as many of one as of the other; print the length of both.",
    "not subscriptable": "[] takes a part of a list or array, and this is neither.",
    "negative integer powers": "NumPy's whole numbers have no negative powers; write 10.0, or divide.",
    "out of bounds for uint": SMALL,
    "out of bounds for int": SMALL,
    "too large to convert": "A power grew beyond all numbers; print what it is raised to.",
    "positional argument": "A function takes more arguments than it is given, or fewer; look at its first line.",
    "unexpected keyword": "The function that you call here has no such argument.",
    "math domain error": "Some numbers have no logarithm or root, such as 0 or a negative one.",
    "backward through the graph a second": "A loss has one backward: calculate it anew in each step, in the loop.",
    "on Tensor that requires grad": "Take the numbers out of the tensor first: loss.item(), or x.detach().numpy().",
    "does not require grad": "The gradient was turned off here, by no_grad or detach; leave that out.",
    "channels, but got": "A convolution got another number of channels than it takes; print the shapes before it.",
    "range [0, 1]": "np.quantile takes 0 to 1, and np.percentile 0 to 100.",
    "range [0, 100]": "np.quantile takes 0 to 1, and np.percentile 0 to 100.",
    "No module named": NO_LIBRARY,
    "module '": "The library has nothing of this name. Is it spelled right, and does another library have it?",
    "'Tensor' object has no": "A tensor is no array: copy() is clone(), astype(...) is to(...); x.numpy() makes one.",
    "'numpy.ndarray' object has no": "An array is no list and no tensor; x.tolist() and torch.tensor(x) make them.",
    "Generator' object has no": "NumPy's `rng` has integers, choice and random, and not what `random` calls so.",
    " required.": NO_LIBRARY,  # as MONAI says it
    "'tuple'": NO_ARRAY,
    "'list'": NO_ARRAY,
}


def unanswered(error: BaseException) -> bool:
    """Whether an unfilled `...` was calculated with: then the text names its type, as Python and its libraries do."""
    return bool(BLANK.search(text_of(error)))


def text_of(error: BaseException) -> str:
    """An error's text; nothing where it has none that can be had."""
    try:
        return str(error)
    except Exception:
        return ""


def kind_of(error: BaseException) -> str:
    """An error's name, as a student knows it."""
    return type(error).__name__.removeprefix("_").replace("UFuncOutputCastingError", "UFuncTypeError")


def told(error: BaseException) -> str:
    """An error's kind, and the first line of its text."""
    lines, kind = text_of(error).strip().splitlines(), kind_of(error)
    return f"{kind}: {lines[0][:LINE]}{'…' if len(lines[0]) > LINE else ''}" if lines else kind


def advice(exercise: Exercise, error: BaseException) -> str:
    """A sentence or two on an error; first what the exercise says of it, then its words, then its kind."""
    text, kind = text_of(error), kind_of(error)
    if (wants := WANTS.search(text)) and wants[2].count(",") + 1 > int(wants[1]):
        return TOO_MANY
    for words, hint in (*exercise.stops.items(), *WORDS.items()):
        if words in text:
            return hint
    if kind == "IndexError" and "label" in exercise.arguments:
        return f"{KINDS[kind]} Choose voxels by a mask, as label > 0."
    return KINDS.get(kind, ANYTHING)
